import type { JsonValue } from '@millrace/domain';
import type { GitCredentials } from './git-credentials.js';
import { locate } from './location.js';
import type { SchedulerDefinition } from './schedulers/registry.js';
import type { Renderable, Step } from './step.js';

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

export function gitPoller(options: GitPollerOptions): ChangeSourceDefinition {
  return locate(gitPoller, { ...options, kind: 'git' });
}
