import type { JsonValue } from '@millrace/domain';
import { locate } from '../../location.js';
import type { SchedulerOptions } from '../options.js';

interface FieldOptions {
  readonly label?: string;
  readonly tooltip?: string;
  readonly required?: boolean;
  readonly hide?: boolean;
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
}
export type FieldDefinition = { readonly name: string } & (
  | ({ readonly type: 'text' } & TextFieldOptions)
  | ({ readonly type: 'textarea' } & TextAreaOptions)
  | ({ readonly type: 'int' } & IntFieldOptions)
  | ({ readonly type: 'bool' } & BoolFieldOptions)
  | ({ readonly type: 'list' } & ChoiceFieldOptions)
  | { readonly type: 'fixed'; readonly default: JsonValue }
);

/** A string fixes the value and hides the control. A field asks for the value. */
export type CodebaseField = string | FieldDefinition;
export interface CodebaseDefinition {
  readonly codebase?: string;
  readonly branch?: CodebaseField;
  readonly revision?: CodebaseField;
  readonly repository?: CodebaseField;
  readonly project?: CodebaseField;
}

export interface ForceOptions extends SchedulerOptions {
  readonly label?: string;
  readonly buttonName?: string;
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

/** Controls of a force form. Each becomes a property of that name. */
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
  fixed: (name: string, value: JsonValue): FieldDefinition =>
    locate(fields.fixed, { type: 'fixed', name, default: value }),
} as const;
