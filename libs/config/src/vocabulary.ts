import type { JsonValue } from '@millrace/domain';
import type { GitCredentials } from './git-credentials.js';
import { locate } from './location.js';
import type { ChangeInfo, Renderable, Step } from './step.js';

type Properties = Readonly<Record<string, JsonValue>>;

export interface ProjectDefinition {
  readonly name: string;
  readonly description?: string;
}

/** Without `password` and `passwordEnv` a worker logs in with tokens only (`millrace worker create`). */
export interface WorkerOptions {
  /** Better kept out of the file: see `passwordEnv`. */
  readonly password?: string;
  /** Name of the environment variable that holds the password. */
  readonly passwordEnv?: string;
  /** Builds at a time; 1 by default. */
  readonly maxBuilds?: number;
  /** Seconds that it may be away before that is an alarm; 3600 by default, null for no alarm. */
  readonly missingTimeout?: number | null;
  /** For every command on this worker, below the builder's and the step's; null removes a variable. */
  readonly env?: Readonly<Record<string, string | null>>;
  readonly properties?: Properties;
}
export interface WorkerDefinition extends WorkerOptions {
  readonly name: string;
}

export interface BuilderOptions {
  /** Name of a project. */
  readonly project?: string;
  readonly description?: string;
  readonly tags?: readonly string[];
  /** Names of the workers that may build it. */
  readonly workers: readonly string[];
  readonly factory: readonly Step[];
  /** For every command of every step; null removes a variable. */
  readonly env?: Readonly<Record<string, Renderable<string | null>>>;
  readonly properties?: Properties;
  /** Folder below the worker's base directory; made from the name by default. */
  readonly builddir?: string;
}
export interface BuilderDefinition extends BuilderOptions {
  readonly name: string;
}

/** A value, several, an expression that is searched for, or a callback. */
export type FilterValue =
  string | null | readonly (string | null)[] | RegExp | ((value: string | null) => boolean | Promise<boolean>);

/** Every attribute that is named must match. */
export interface FilterDefinition {
  readonly project?: FilterValue;
  readonly repository?: FilterValue;
  readonly branch?: FilterValue;
  readonly category?: FilterValue;
}

interface SchedulerOptions {
  readonly builders: readonly string[];
  readonly reason?: string;
  readonly properties?: Properties;
  /** Higher is sooner; 0 by default. */
  readonly priority?: number;
}

export interface AnyBranchOptions extends SchedulerOptions {
  readonly filter?: FilterDefinition;
  /** Quiet time per branch before it is built; every change is built by itself without it. */
  readonly treeStableSeconds?: number;
  readonly isImportant?: (change: ChangeInfo) => boolean | Promise<boolean>;
  readonly onlyImportant?: boolean;
}
export interface SingleBranchOptions extends AnyBranchOptions {
  readonly branch: string | null;
}

interface FieldOptions {
  readonly label?: string;
  readonly tooltip?: string;
  readonly required?: boolean;
  readonly hide?: boolean;
}
export interface TextFieldOptions extends FieldOptions {
  readonly default?: string;
  /** Has to match the whole value. */
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
  /** Only the choices are accepted; true by default. */
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

/** A string fixes the value and hides the control; a field asks for it. */
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
  /** One unnamed codebase by default. */
  readonly codebases?: readonly CodebaseDefinition[];
}

export type SchedulerDefinition = { readonly name: string } & (
  | ({ readonly kind: 'any-branch' } & AnyBranchOptions)
  | ({ readonly kind: 'single-branch' } & SingleBranchOptions)
  | ({ readonly kind: 'force' } & ForceOptions)
  | ({ readonly kind: 'trigger' } & SchedulerOptions)
);

export interface GitPollerOptions {
  /** Without user and password: see `credentials`. */
  readonly repository: string;
  /** For repositories over http and https; `passwordEnv` is a variable of the scheduler. They are sent to the repository's host and nowhere else. */
  readonly credentials?: GitCredentials;
  /** `all`, names, or a callback that gets each name; all by default. */
  readonly branches?: 'all' | readonly string[] | ((branch: string) => boolean | Promise<boolean>);
  /** 60 by default. */
  readonly pollIntervalSeconds?: number;
  /** Unique among change sources; the repository by default. */
  readonly name?: string;
  readonly project?: string;
  readonly category?: string;
  readonly codebase?: string;
  /** Makes a change for the head of every branch that is seen for the first time, rather than only for what comes after. */
  readonly buildHeadsOnFirstSight?: boolean;
}
export type ChangeSourceDefinition = { readonly kind: 'git' } & GitPollerOptions;

export interface MasterConfig {
  readonly title?: string;
  /** Where people reach the web app; links in what Millrace sends start with it. */
  readonly url?: string;
  readonly projects?: readonly ProjectDefinition[];
  readonly workers: readonly WorkerDefinition[];
  readonly builders: readonly BuilderDefinition[];
  readonly schedulers?: readonly SchedulerDefinition[];
  readonly changeSources?: readonly ChangeSourceDefinition[];
}

/** The default export of a configuration file. It only adds types: what is wrong is found, all at once, when it is compiled. */
export function defineConfig(config: MasterConfig): MasterConfig {
  return locate(defineConfig, config);
}

/** A name that ends in `*` is a template for workers that `millrace worker create` makes. */
export function worker(name: string, options: WorkerOptions = {}): WorkerDefinition {
  return locate(worker, { ...options, name });
}

export function builder(name: string, options: BuilderOptions): BuilderDefinition {
  return locate(builder, { ...options, name });
}

/** Builds changes of every branch, each branch with a quiet time of its own. */
export function anyBranch(name: string, options: AnyBranchOptions): SchedulerDefinition {
  return locate(anyBranch, { ...options, kind: 'any-branch', name });
}

export function singleBranch(name: string, options: SingleBranchOptions): SchedulerDefinition {
  return locate(singleBranch, { ...options, kind: 'single-branch', name });
}

/** A button with a form. */
export function force(name: string, options: ForceOptions): SchedulerDefinition {
  return locate(force, { ...options, kind: 'force', name });
}

/** What `POST /trigger` and `millrace trigger` start by name. */
export function trigger(name: string, options: SchedulerOptions): SchedulerDefinition {
  return locate(trigger, { ...options, kind: 'trigger', name });
}

export function gitPoller(options: GitPollerOptions): ChangeSourceDefinition {
  return locate(gitPoller, { ...options, kind: 'git' });
}

/** Controls of a force form; each becomes a property of that name. */
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
