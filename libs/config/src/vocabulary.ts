import type { JsonValue } from '@millrace/domain';
import type { ChoiceOptions, CollapseRequests, LocksOfBuild, PrioritizeBuilders } from './choices.js';
import type { GitCredentials } from './git-credentials.js';
import type { GitKeyFileOption, GitKeyOptions } from './git-ssh.js';
import type { HookDefinition } from './hooks/registry.js';
import type { GithubPullRequestPollerDefinition, GitlabMergeRequestPollerDefinition } from './pull-requests/options.js';
import { locate } from './location.js';
import type { Lock, LockUse, Resources } from './locks.js';
import type { RecordedCodebaseDefinition } from './recorded-codebases.js';
import type { SchedulerDefinition } from './schedulers/registry.js';
import type { ServiceDefinition } from './services/registry.js';
import type { DoBuildIf, Renderable, Step } from './step.js';
import type { WwwOptions } from './www/options.js';

type Properties = Readonly<Record<string, JsonValue>>;

export interface ProjectDefinition {
  readonly name: string;
  readonly description?: string;
  /** The roles that see the project and what belongs to it. Patterns, as in rules. The default is `www.defaultVisibility`. */
  readonly visibleTo?: readonly string[];
}

/** Options of a worker. Without `password` and `passwordEnv` it logs in with tokens only (`millrace worker create`). */
export interface WorkerOptions {
  /** The password, which is better kept out of the file: see `passwordEnv`. */
  readonly password?: string;
  /** Name of the environment variable that holds the password. */
  readonly passwordEnv?: string;
  /** Most builds at a time. Default 1. */
  readonly maxBuilds?: number;
  /** Seconds that the worker may be away before an alarm is raised. Default 3600; null for no alarm. */
  readonly missingTimeout?: number | null;
  /** Environment of every command on this worker. The builder's and the step's take precedence; null removes a variable. */
  readonly env?: Readonly<Record<string, string | null>>;
  readonly properties?: Properties;
  /** Locks that every build on this worker takes before it begins. */
  readonly locks?: readonly LockUse[];
}
export interface WorkerDefinition extends WorkerOptions {
  readonly name: string;
}

export interface BuilderOptions extends ChoiceOptions {
  /** Names that the builder had before. Its builds, numbers and waiting requests are kept when its name changes. */
  readonly formerNames?: readonly string[];
  /** Name of a project. */
  readonly project?: string;
  readonly description?: string;
  readonly tags?: readonly string[];
  /** Names of the workers that may build this builder. */
  readonly workers: readonly string[];
  readonly factory: readonly Step[];
  /** Environment of every command of every step; null removes a variable. */
  readonly env?: Readonly<Record<string, Renderable<string | null>>>;
  readonly properties?: Properties;
  /** Folder below the worker's base directory. The default is made from the name. */
  readonly builddir?: string;
  /** Locks that every build takes before it begins, and holds to its end, or a callback that says which. */
  readonly locks?: readonly LockUse[] | LocksOfBuild;
  /** Most builds at a time, on all engines together. */
  readonly maxBuilds?: number;
  /** Whether a new request takes the place of compatible older ones that wait, or a callback that says of which. The default is the configuration's. */
  readonly collapseRequests?: boolean | CollapseRequests;
  /** Whether a build is done. When it is not, it ends as skipped before its first step. Default true. */
  readonly doBuildIf?: DoBuildIf;
}
export interface BuilderDefinition extends BuilderOptions {
  readonly name: string;
}

/** Names, an expression that is searched for in each name, or a callback that gets each name. */
export type RefChoice = readonly string[] | RegExp | ((name: string) => boolean | Promise<boolean>);

export interface GitPollerOptions extends GitKeyOptions, GitKeyFileOption {
  /** Address without user and password: see `credentials`. */
  readonly repository: string;
  /**
   * Credentials for a repository over http or https. `passwordEnv` is a variable of the scheduler. They are sent to the repository's host
   * and nowhere else.
   */
  readonly credentials?: GitCredentials;
  /** Default `true`, which is every branch. */
  readonly branches?: true | 'all' | RefChoice;
  /** Which tags are watched: each that is new or moves is one change, of the branch `refs/tags/NAME`. Default `false`. */
  readonly tags?: boolean | RefChoice;
  /** Watch tags and no branches. Default `false`. */
  readonly onlyTags?: boolean;
  /** Default 60. */
  readonly pollIntervalSeconds?: number;
  /** Unique among change sources. The default is the repository. */
  readonly name?: string;
  readonly project?: string;
  readonly category?: string;
  readonly codebase?: string;
  /** Make a change for the head of every branch that is seen for the first time, instead of only for later commits. */
  readonly buildHeadsOnFirstSight?: boolean;
}
export type ChangeSourceDefinition =
  | ({ readonly kind: 'git' } & GitPollerOptions)
  | GithubPullRequestPollerDefinition
  | GitlabMergeRequestPollerDefinition;

export interface MasterConfig {
  readonly title?: string;
  /** Address of the web app. Links in Millrace's messages start with it. */
  readonly url?: string;
  readonly projects?: readonly ProjectDefinition[];
  readonly workers: readonly WorkerDefinition[];
  readonly builders: readonly BuilderDefinition[];
  readonly schedulers?: readonly SchedulerDefinition[];
  readonly changeSources?: readonly ChangeSourceDefinition[];
  /** Codebases whose branches and commits are recorded, for clients of the API. */
  readonly codebases?: readonly RecordedCodebaseDefinition[];
  readonly services?: readonly ServiceDefinition[];
  /** Whether builders collapse requests that say nothing about it. Default true. */
  readonly collapseRequests?: boolean | CollapseRequests;
  /** Locks that callbacks of builders and steps name. Those of plain lists are known without. */
  readonly locks?: readonly (Lock | Resources)[];
  readonly hooks?: readonly HookDefinition[];
  /** Whether requests that wait for a builder which has left the configuration go on waiting for it, the default, or are cancelled. */
  readonly removedBuilders?: 'wait' | 'cancel';
  /** Orders the builders that have waiting requests. The default order is by the priority and the age of their next requests. */
  readonly prioritizeBuilders?: PrioritizeBuilders;
  /** Who people are, and what they may do. */
  readonly www?: WwwOptions;
}

/**
 * Types the default export of a configuration file. It checks nothing: all problems are found at once when the configuration is compiled.
 */
export function defineConfig(config: MasterConfig): MasterConfig {
  return locate(defineConfig, config);
}

/** Defines a worker. A name that ends in `*` is a template for workers that `millrace worker create` makes. */
export function worker(name: string, options: WorkerOptions = {}): WorkerDefinition {
  return locate(worker, { ...options, name });
}

export function builder(name: string, options: BuilderOptions): BuilderDefinition {
  return locate(builder, { ...options, name });
}

export function gitPoller(options: GitPollerOptions): ChangeSourceDefinition {
  return locate(gitPoller, { ...options, kind: 'git' });
}
