import type { JsonValue } from '@millrace/domain';

/**
 * A compiled configuration: what a revision stores, and all that ui and scheduler need to know of it. Plain JSON. Callbacks
 * appear as *handles* (`schedulers.3.isImportant`) that a config host resolves.
 */
export interface CompiledConfig {
  readonly title: string;
  readonly url: string | null;
  readonly projects: readonly CompiledProject[];
  readonly workers: readonly CompiledWorker[];
  readonly builders: readonly CompiledBuilder[];
  readonly schedulers: readonly CompiledScheduler[];
  readonly changeSources: readonly CompiledChangeSource[];
}

export interface CompiledProject {
  readonly name: string;
  readonly description: string | null;
}

export interface CompiledWorker {
  /** One that ends in `*` is a template: workers with tokens whose names begin so inherit from it. */
  readonly name: string;
  /** The password itself is in no revision, nor anything made of it. Without one it logs in with tokens only. */
  readonly hasPassword: boolean;
  readonly maxBuilds: number;
  /** How long it may be away before that is an alarm; null: for ever. */
  readonly missingTimeoutMs: number | null;
  /** Below the builder's and the step's; null removes a variable. */
  readonly env: Readonly<Record<string, string | null>>;
  readonly properties: Readonly<Record<string, JsonValue>>;
}

export interface CompiledStep {
  readonly kind: string;
  /** As configured; a build makes repeated names unique (`shell`, `shell_1`). */
  readonly name: string;
}

export interface CompiledBuilder {
  readonly name: string;
  readonly project: string | null;
  readonly description: string | null;
  readonly tags: readonly string[];
  /** Names of the workers that may build it. */
  readonly workers: readonly string[];
  /** Folder below the worker's base directory. */
  readonly builddir: string;
  /** Plain values only; rendered ones (templates, callbacks) are known to the runner alone and appear as null. */
  readonly env: Readonly<Record<string, string | null>>;
  readonly properties: Readonly<Record<string, JsonValue>>;
  readonly steps: readonly CompiledStep[];
  /** sha256, hexadecimal, over everything that decides how this builder builds, source text of its callbacks included. */
  readonly fingerprint: string;
}

/** How far priorities of requests go, in either direction. */
export const PRIORITY_LIMIT = 1_000_000;

/** A scheduler; its kind has more, which the kind itself knows (a force scheduler: `CompiledForceForm`). */
export interface CompiledScheduler {
  readonly kind: string;
  readonly name: string;
  /** Names of the builders it may start, never empty. */
  readonly builders: readonly string[];
  readonly reason: string;
  readonly properties: Readonly<Record<string, JsonValue>>;
  /** Higher is sooner; at most `PRIORITY_LIMIT` either way. */
  readonly priority: number;
}

/** What a force scheduler asks for. */
export interface CompiledForceForm {
  readonly label: string;
  readonly buttonName: string;
  readonly username: ForceField;
  /** Named apart from the scheduler's `reason`, the text of builds without one. */
  readonly reasonField: ForceField;
  readonly priorityField: ForceField;
  readonly codebases: readonly CompiledForceCodebase[];
  readonly fields: readonly ForceField[];
}

export type CompiledForceScheduler = CompiledScheduler & CompiledForceForm;

export function isForceScheduler(scheduler: CompiledScheduler): scheduler is CompiledForceScheduler {
  return scheduler.kind === 'force';
}

export interface CompiledForceCodebase {
  /** Empty for the only one. */
  readonly codebase: string;
  readonly branch: ForceField;
  readonly revision: ForceField;
  readonly repository: ForceField;
  readonly project: ForceField;
}

/** One control of a force form; attribute meanings and `type` names are those of `/api/v2` (`docs/api.md#force-forms`). */
export interface ForceField {
  readonly type: 'fixed' | 'text' | 'textarea' | 'int' | 'bool' | 'username' | 'list';
  readonly name: string;
  readonly label: string;
  readonly tooltip: string;
  readonly default: JsonValue;
  readonly required: boolean;
  readonly hide: boolean;
  /** Source of an expression that the whole value has to match. */
  readonly regex: string | null;
  /** In characters. */
  readonly maxsize: number | null;
  /** Width in characters, for text. */
  readonly size?: number;
  /** For `textarea`. */
  readonly rows?: number;
  readonly cols?: number;
  /** For `list`. */
  readonly choices?: readonly string[];
  /** For `list`: only the choices are accepted. */
  readonly strict?: boolean;
  /** For `list`: the value is a list of choices. */
  readonly multiple?: boolean;
}

export interface CompiledChangeSource {
  readonly kind: 'git';
  /** Unique among change sources; the repository unless the user gave one. */
  readonly name: string;
  readonly repository: string;
  /** Names, all of them, or a callback that gets each branch name. */
  readonly branches: readonly string[] | 'all' | { readonly handle: string };
  readonly pollIntervalMs: number;
  readonly project: string;
  readonly category: string | null;
  readonly codebase: string;
  /** On first sight of a branch: one change for its head, instead of only remembering where it stands. */
  readonly buildHeadsOnFirstSight: boolean;
}
