import type { JsonValue } from '@millrace/domain';
import { locate } from '../../location.js';
import type { SchedulerOptions } from '../options.js';

interface FieldOptions {
  readonly label?: string;
  readonly tooltip?: string;
  readonly required?: boolean;
  readonly hide?: boolean;
  /** On the tab of a group with tabs. Default: the label. */
  readonly tablabel?: string;
}
export interface TextFieldOptions extends FieldOptions {
  readonly default?: string;
  /** An expression that must match the whole value. */
  readonly regex?: RegExp | string;
  readonly maxsize?: number;
  readonly size?: number;
}
export interface TextAreaOptions extends TextFieldOptions {
  readonly rows?: number;
  readonly cols?: number;
}
export interface IntFieldOptions extends FieldOptions {
  readonly default?: number;
  readonly size?: number;
  readonly min?: number;
  readonly max?: number;
}
export interface UserNameOptions extends FieldOptions {
  readonly default?: string;
  readonly size?: number;
  /** Accept only what holds an e-mail address, such as `Ada <ada@example.org>`. */
  readonly needEmail?: boolean;
}
export interface FileFieldOptions extends FieldOptions {
  /** Most characters. Default: as many as a property may have. */
  readonly maxsize?: number;
}
export interface GroupOptions {
  readonly label?: string;
  readonly tablabel?: string;
  readonly layout?: 'simple' | 'vertical' | 'tabs';
  /** 1 to 4. Default 1. */
  readonly columns?: number;
  readonly fields: readonly FieldDefinition[];
}
export interface BoolFieldOptions extends FieldOptions {
  readonly default?: boolean;
}
export interface ChoiceFieldOptions extends FieldOptions {
  readonly choices: readonly string[];
  readonly default?: string | readonly string[];
  /** Accept only the choices. Default true. */
  readonly strict?: boolean;
  readonly multiple?: boolean;
  /** Values that a choice gives to other fields of the page: by the choice, and by the full name of the field. */
  readonly autopopulate?: Readonly<Record<string, Readonly<Record<string, JsonValue>>>>;
}
export type FieldDefinition = { readonly name: string } & (
  | ({ readonly type: 'text' } & TextFieldOptions)
  | ({ readonly type: 'textarea' } & TextAreaOptions)
  | ({ readonly type: 'int' } & IntFieldOptions)
  | ({ readonly type: 'bool' } & BoolFieldOptions)
  | ({ readonly type: 'list' } & ChoiceFieldOptions)
  | ({ readonly type: 'username' } & UserNameOptions)
  | ({ readonly type: 'file' } & FileFieldOptions)
  | ({ readonly type: 'nested' } & GroupOptions)
  | ({ readonly type: 'any-property' } & FieldOptions)
  | ({ readonly type: 'worker' } & FieldOptions)
  | { readonly type: 'fixed'; readonly default: JsonValue }
);

/** A string fixes the value and hides the control. A field asks for the value. */
export type CodebaseField = string | FieldDefinition;
export interface PatchOptions {
  /** Default `patch`. */
  readonly label?: string;
  readonly required?: boolean;
  /** Most characters. Default, and at most, 500,000. */
  readonly maxsize?: number;
}
export interface CodebaseDefinition {
  readonly codebase?: string;
  /** Whether a patch may be given, which is applied after the checkout. Default false. */
  readonly patch?: boolean | PatchOptions;
  readonly branch?: CodebaseField;
  readonly revision?: CodebaseField;
  readonly repository?: CodebaseField;
  readonly project?: CodebaseField;
}

export interface ForceOptions extends SchedulerOptions {
  readonly label?: string;
  readonly buttonName?: string;
  /** The field for the name of who forces. A string fixes it. */
  readonly username?: UserNameOptions | string;
  /** The field for the reason. A string fixes it. */
  readonly reasonField?: TextFieldOptions | string;
  readonly priorityField?: IntFieldOptions | number;
  readonly fields?: readonly FieldDefinition[];
  /** Default: one unnamed codebase. */
  readonly codebases?: readonly CodebaseDefinition[];
}

export interface ForceDefinition extends ForceOptions {
  readonly kind: 'force';
  readonly name: string;
}

/** Defines a scheduler that people start with a button and a form. */
export function force(name: string, options: ForceOptions): ForceDefinition {
  return locate(force, { ...options, kind: 'force', name });
}

/** Controls of a force form. Each becomes a property of that name; those of a group with a name become one property together. */
export const fields = {
  text: (name: string, options: TextFieldOptions = {}): FieldDefinition =>
    locate(fields.text, { ...options, type: 'text', name }),
  textarea: (name: string, options: TextAreaOptions = {}): FieldDefinition =>
    locate(fields.textarea, { ...options, type: 'textarea', name }),
  int: (name: string, options: IntFieldOptions = {}): FieldDefinition =>
    locate(fields.int, { ...options, type: 'int', name }),
  bool: (name: string, options: BoolFieldOptions = {}): FieldDefinition =>
    locate(fields.bool, { ...options, type: 'bool', name }),
  choice: (name: string, options: ChoiceFieldOptions): FieldDefinition =>
    locate(fields.choice, { ...options, type: 'list', name }),
  file: (name: string, options: FileFieldOptions = {}): FieldDefinition =>
    locate(fields.file, { ...options, type: 'file', name }),
  /** Fields that are shown together. Their values are one property with the group's name; without a name each is a property of its own. */
  group: (name: string, options: GroupOptions): FieldDefinition =>
    locate(fields.group, { ...options, type: 'nested', name }),
  /** A property of any name. Whoever forces gives both. */
  anyProperty: (name: string, options: FieldOptions = {}): FieldDefinition =>
    locate(fields.anyProperty, { ...options, type: 'any-property', name }),
  /** One of the workers of the builders. The value is the property, which a builder's `nextWorker` may follow. */
  worker: (name = 'workername', options: FieldOptions = {}): FieldDefinition =>
    locate(fields.worker, { ...options, type: 'worker', name }),
  fixed: (name: string, value: JsonValue): FieldDefinition =>
    locate(fields.fixed, { type: 'fixed', name, default: value }),
} as const;
