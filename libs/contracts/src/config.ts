import type { JsonValue, LockAccess, LockDefinition } from '@millrace/domain';
import type { CompiledWww } from './www.js';

/**
 * A compiled configuration: the contents of a revision, and all that the UI and the scheduler need to know of it. It is plain JSON.
 * Callbacks appear as *handles* (`schedulers.3.isImportant`) that a config host resolves.
 */
export interface CompiledConfig {
  readonly title: string;
  readonly url: string | null;
  readonly projects: readonly CompiledProject[];
  readonly workers: readonly CompiledWorker[];
  readonly builders: readonly CompiledBuilder[];
  readonly schedulers: readonly CompiledScheduler[];
  readonly changeSources: readonly CompiledChangeSource[];
  /** Missing when there are none. */
  readonly codebases?: readonly CompiledCodebase[];
  /** Missing in a revision of an older release. */
  readonly services?: readonly CompiledService[];
  /** Missing when nothing uses a lock. */
  readonly locks?: readonly LockDefinition[];
  readonly hooks: readonly CompiledHook[];
  /** Handle of the callback that orders builders. Missing when there is none. */
  readonly prioritizeBuilders?: string;
  /** Missing when nothing is said about who people are and what they may do. */
  readonly www?: CompiledWww;
}

/** The part of a compiled service that all kinds have. A service acts beside the schedulers, on one master at a time. */
export interface CompiledService {
  readonly kind: string;
  readonly name: string;
}

export interface CompiledProject {
  readonly name: string;
  readonly description: string | null;
  /** Patterns of the roles that see it. Missing where the default holds. */
  readonly visibleTo?: readonly string[];
}

/** A codebase whose commits are recorded. */
export interface CompiledCodebase {
  readonly name: string;
  readonly project: string;
  readonly slug: string;
}

export interface CompiledWorker {
  /** A name that ends in `*` is a template: workers with tokens whose names begin with it inherit from it. */
  readonly name: string;
  /**
   * Whether the worker has a password. The password itself, or anything made of it, is in no revision. A worker without one logs in with
   * tokens only.
   */
  readonly hasPassword: boolean;
  readonly maxBuilds: number;
  /** How long the worker may be away before an alarm is raised; null for ever. */
  readonly missingTimeoutMs: number | null;
  /** Environment of every command on this worker. The builder's and the step's take precedence; null removes a variable. */
  readonly env: Readonly<Record<string, string | null>>;
  readonly properties: Readonly<Record<string, JsonValue>>;
  /** Locks of every build on this worker. Missing when there are none. */
  readonly locks?: readonly LockAccess[];
}

export interface CompiledStep {
  readonly kind: string;
  /** Name as configured. A build makes repeated names unique (`shell`, `shell_1`). */
  readonly name: string;
}

export interface CompiledBuilder {
  readonly name: string;
  /** Names that the builder had before, and under which its history is found. */
  readonly formerNames: readonly string[];
  readonly project: string | null;
  readonly description: string | null;
  readonly tags: readonly string[];
  /** Names of the workers that may build this builder. */
  readonly workers: readonly string[];
  /** Whether a new request takes the place of compatible older ones that wait. */
  readonly collapseRequests: boolean;
  /** Handle of the callback that says which requests it takes the place of. Missing for all compatible ones. */
  readonly collapseCallback?: string;
  /** Folder below the worker's base directory. */
  readonly builddir: string;
  /** Plain values only. Rendered ones (templates, callbacks) are known to the runner alone and appear as null. */
  readonly env: Readonly<Record<string, string | null>>;
  readonly properties: Readonly<Record<string, JsonValue>>;
  readonly steps: readonly CompiledStep[];
  /** Locks of every build of this builder, beside those that its callback `locks` names. Missing when there are none. */
  readonly locks?: readonly LockAccess[];
  /** Missing when no callback chooses. */
  readonly choices?: BuilderChoices;
  /** sha256, hexadecimal, over everything that decides how this builder builds, including the source text of its callbacks. */
  readonly fingerprint: string;
}

/**
 * Handles of the callbacks by which a builder chooses among its requests and workers, and says which locks the build takes. Those that it
 * does not have are missing.
 */
export type BuilderChoices = Readonly<Partial<Record<'nextBuild' | 'nextWorker' | 'canStartBuild' | 'locks', string>>>;

/** Highest priority of a request; the lowest is its negative. */
export const PRIORITY_LIMIT = 1_000_000;

/** The part of a compiled scheduler that all kinds have. A kind may have more fields (a force scheduler: `CompiledForceForm`). */
export interface CompiledScheduler {
  readonly kind: string;
  readonly name: string;
  /** Names of the builders that the scheduler may start, never empty. */
  readonly builders: readonly string[];
  readonly reason: string;
  readonly properties: Readonly<Record<string, JsonValue>>;
  /** Higher is sooner. The absolute value is at most `PRIORITY_LIMIT`. */
  readonly priority: number;
  /** What callbacks choose for each buildset that the scheduler makes by itself. */
  readonly choosing?: Choosing;
}

/** Handles of callbacks; null where a scheduler has a fixed value. */
export interface Choosing {
  readonly builders: string | null;
  readonly priority: string | null;
}

/** The form of a force scheduler. */
export interface CompiledForceForm {
  readonly label: string;
  readonly buttonName: string;
  readonly username: ForceField;
  /** The field for the reason. Not called `reason`, because that is the scheduler's text for builds without one. */
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
  /** Empty for the only codebase. */
  readonly codebase: string;
  readonly branch: ForceField;
  readonly revision: ForceField;
  readonly repository: ForceField;
  readonly project: ForceField;
  /** A `nested` group of `body`, `level`, `author`, `comment` and `subdir`. Missing where no patch may be given. */
  readonly patch?: ForceField;
}

/** One control of a force form. Attribute meanings and `type` names are those of `/api/v2` (`docs/api.md#force-forms`). */
export interface ForceField {
  readonly type: 'fixed' | 'text' | 'textarea' | 'int' | 'bool' | 'username' | 'list' | 'file' | 'nested';
  /** Empty for a group whose fields belong to what is around it. */
  readonly name: string;
  readonly label: string;
  readonly tooltip: string;
  readonly default: JsonValue;
  readonly required: boolean;
  readonly hide: boolean;
  /** Source of an expression that must match the whole value. */
  readonly regex: string | null;
  /** Longest value, in characters. */
  readonly maxsize: number | null;
  /** Width in characters, for `text`. */
  readonly size?: number;
  /** Height in lines, for `textarea`. */
  readonly rows?: number;
  readonly cols?: number;
  /** Choices of a `list`. */
  readonly choices?: readonly string[];
  /** For `list`: only the choices are accepted. */
  readonly strict?: boolean;
  /** For `list`: the value is a list of choices. */
  readonly multiple?: boolean;
  /** For `list`: other fields' values by a choice and their full names. The page fills them in. */
  readonly autopopulate?: Readonly<Record<string, Readonly<Record<string, JsonValue>>>>;
  /** For `list`: the choices are the names of the workers of the scheduler's builders. */
  readonly of?: 'workers';
  /** For `int`: the smallest and the largest value. */
  readonly min?: number;
  readonly max?: number;
  /** For `username`: the value holds an e-mail address. */
  readonly needEmail?: boolean;
  /** On the tab of a group with tabs. The default is the label. */
  readonly tablabel?: string;
  /** Of a `nested` group. */
  readonly fields?: readonly ForceField[];
  readonly columns?: number;
  readonly layout?: 'simple' | 'vertical' | 'tabs';
  /** A `nested` group of a `name` and a `value`, which are a property of that name. */
  readonly isAnyProperty?: boolean;
}

export type CompiledChangeSource = CompiledGitSource | CompiledPullRequestSource;

/** The part of a change source that all kinds have. */
export interface ChangeSourceCommon {
  /** Unique among change sources. */
  readonly name: string;
  readonly pollIntervalMs: number;
  readonly project: string;
  readonly category: string | null;
  readonly codebase: string;
}

/** Asks the REST API of a forge for open pull requests, or merge requests. */
export interface CompiledPullRequestSource extends ChangeSourceCommon {
  readonly kind: 'github-pulls' | 'gitlab-merges';
  /** Address of the API, without a slash at its end. */
  readonly apiUrl: string;
  /** The repository's name at the forge: `acme/widget`. */
  readonly path: string;
  /** The variable of the scheduler that holds the token; null without one. */
  readonly tokenEnv: string | null;
  /** Branches into which the pull requests go. */
  readonly branches: readonly string[] | 'all';
  /** Which address of the repository the changes have. */
  readonly repositoryType: 'https' | 'ssh';
  /** Whether the merge with the base is built, from the base's repository, instead of the head from its own. */
  readonly magicLink: boolean;
  /** Whether the changes name the files of the pull requests. Missing in revisions of older releases. */
  readonly files?: boolean;
  /** A callback that gets each pull request and says whether it is built; null for all. */
  readonly filter: string | null;
}

/** Which branches or tags are watched: names, all, those that an expression finds, or those that a callback chooses, which gets each name. */
export type RefSelection =
  readonly string[] | 'all' | { readonly pattern: string; readonly flags: string } | { readonly handle: string };

export interface CompiledGitSource extends ChangeSourceCommon {
  readonly kind: 'git';
  readonly repository: string;
  readonly branches: RefSelection;
  /** Missing when tags are not watched. */
  readonly tags?: RefSelection;
  /** Whether the poller makes one change for the head of a branch that it sees for the first time, instead of only remembering the head. */
  readonly buildHeadsOnFirstSight: boolean;
  /** Set when the codebase of this project records its commits. */
  readonly recordsCommits?: true;
}

/** The part of a compiled hook that all dialects have. A dialect may have more fields. */
export interface CompiledHook {
  readonly dialect: string;
  /** Unique among hooks. The default is the dialect. */
  readonly name: string;
  /** Whether the hook has a secret. The secret itself is in no revision. A hook without one takes deliveries from everybody. */
  readonly hasSecret: boolean;
  /** The variable of the masters that holds the secret. Revisions of older releases do not have it. */
  readonly secretEnv?: string;
  /** Codebase of the changes. */
  readonly codebase: string;
  /** Project of the changes; null for the one that the delivery names. */
  readonly project: string | null;
}
