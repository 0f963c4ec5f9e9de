import type { JsonValue, Result, SourceStamp, StepFlags } from '@millrace/domain';
import { locate } from './location.js';
import type { Note, Problem } from './problems.js';

/** A template with all of Buildbot's `Interpolate` rules (`%%` is a percent sign); made by `interpolate()`. */
export interface Interpolation {
  readonly interpolate: string;
}

/**
 * A value that may depend on the build. In plain strings `%(prop:NAME)s` and `%(src:CODEBASE:ATTR)s` are replaced and everything else,
 * `%%` included, stays as it is. Lists and records are rendered part by part.
 */
export type Renderable<T> = T | Interpolation | ((build: RenderContext) => T | Promise<T>);

export interface ChangeInfo {
  readonly id: number;
  readonly author: string;
  readonly comments: string;
  readonly branch: string | null;
  readonly revision: string | null;
  readonly files: readonly string[];
  readonly repository: string;
  readonly project: string;
  readonly codebase: string;
  readonly category: string | null;
  /** Milliseconds since 1970. */
  readonly when: number;
}

export interface WorkerInfo {
  readonly name: string;
  /** Absolute, in the worker's own path syntax. */
  readonly basedir: string;
  /** `posix` or `nt`. */
  readonly system: string;
  readonly environ: Readonly<Record<string, string>>;
}

/** What callbacks and templates may look at. */
export interface RenderContext {
  readonly builderName: string;
  readonly buildNumber: number;
  readonly properties: PropertyReader;
  /** The one without a codebase, or the only one. Says nothing when all of several have names: see `sourceStamps`. */
  readonly sourceStamp: SourceStamp;
  /** One for each codebase, in the order of their names. */
  readonly sourceStamps: readonly SourceStamp[];
  readonly changes: readonly ChangeInfo[];
  readonly worker: WorkerInfo;
}

export interface PropertyReader {
  get(name: string): JsonValue | undefined;
  has(name: string): boolean;
}

export interface PropertyStore extends PropertyReader {
  /** Kept with the build; `source` defaults to the step's name. */
  set(name: string, value: JsonValue, source?: string): void;
}

/** How a remote command ended. `rc` is null when it never got as far as having one. */
export interface CommandOutcome {
  readonly rc: number | null;
  readonly failure: string | null;
  /** `timeout`, `timeout_without_output` or `max_lines_failure`, when the worker itself ended the command. */
  readonly failureReason: string | null;
  /** With `capture`: standard output, cut at `maxBytes`, and at 1 MiB. */
  readonly stdout?: string;
  /** Of `glob` and `listdir`. */
  readonly files?: readonly string[];
  /** Of `stat`. */
  readonly stat?: readonly number[];
  readonly cancelled: boolean;
  readonly workerLost: boolean;
}

export interface CommandOptions {
  /** Name of the log that gets stdout, stderr and headers; none when null or missing. */
  readonly log?: string | null;
  /** Files that the worker watches while the command runs: log name → path relative to the command's folder. */
  readonly logfiles?: Readonly<Record<string, string>>;
  readonly capture?: { readonly maxBytes: number };
  readonly upload?: { readonly blob: string };
  readonly download?: { readonly blob: string } | { readonly content: string };
  /** For cleaning up: runs although the build is being stopped. */
  readonly evenIfStopped?: boolean;
}

export interface ShellOptions {
  /** A list is run directly, a string by the worker's shell. Already rendered, by `renderCommand`. */
  readonly command: string | readonly string[];
  /** Relative to the builder's folder; `build` by default. */
  readonly workdir?: string;
  /** On top of the builder's; null removes a variable. */
  readonly env?: Readonly<Record<string, string | null>>;
  /** Without any output; null for no limit. 1200 by default. */
  readonly timeoutSeconds?: number | null;
  readonly maxTimeSeconds?: number | null;
  readonly sigtermTimeSeconds?: number | null;
  readonly interruptSignal?: string;
  readonly maxLines?: number | null;
  /** `stdio` by default; null for none. */
  readonly log?: string | null;
  readonly logfiles?: Readonly<Record<string, string>>;
  readonly logEnviron?: boolean;
  readonly usePty?: boolean;
  readonly stdin?: string;
  readonly capture?: { readonly maxBytes: number };
  readonly evenIfStopped?: boolean;
}

export interface LogWriter {
  /** Resolves once the text is committed; waiting for it holds a chatty step back, not waiting loses nothing. */
  append(text: string): Promise<void>;
}

/** Everything a step can do. Relative worker paths start at the builder's folder. */
export interface StepContext extends RenderContext {
  readonly stepName: string;
  readonly properties: PropertyStore;
  /** Aborted when the build is stopped. */
  readonly signal: AbortSignal;
  render<T>(value: Renderable<T>): Promise<T>;
  /**
   * For `shell`: in a string every value is quoted for the worker's shell, so that it is one word whatever is in it, unless it is marked
   * `%(raw:prop:NAME)s`. What a callback returns is taken as it is.
   */
  renderCommand(command: Renderable<string | readonly string[]>): Promise<string | readonly string[]>;
  /** For paths on the worker: values lead nowhere but below the place that the template names. */
  renderPath(path: Renderable<string>): Promise<string>;
  /** Joins with the worker's path rules: an absolute part wins, a leading `~` is the worker's home. */
  path(...parts: string[]): string;
  /** A command of the worker protocol, with its msgpack argument names. */
  command(name: string, args: Readonly<Record<string, JsonValue>>, options?: CommandOptions): Promise<CommandOutcome>;
  shell(options: ShellOptions): Promise<CommandOutcome>;
  log(name: string): LogWriter;
  setState(text: string): void;
  addUrl(name: string, url: string): void;
  upload(from: { readonly workerSrc: string; readonly maxBytes?: number }, blobName: string): Promise<CommandOutcome>;
  download(
    what: { readonly blob: string } | { readonly content: string | Uint8Array },
    to: { readonly workerDest: string; readonly mode?: number; readonly evenIfStopped?: boolean },
  ): Promise<CommandOutcome>;
}

export interface StepOutcome {
  readonly result: Result;
  /** Replaces the state that the step has shown so far. */
  readonly stateString?: string;
}

export type DoStepIf = boolean | ((step: StepContext) => boolean | Promise<boolean>);
export type HideStepIf = boolean | ((result: Result, step: StepContext) => boolean | Promise<boolean>);

/** What a factory is made of. One object is run by many builds, so it keeps no state of its own. */
export interface Step {
  readonly kind: string;
  readonly name: string;
  readonly flags: Partial<StepFlags>;
  readonly doStepIf?: DoStepIf;
  readonly hideStepIf?: HideStepIf;
  /**
   * When its engine goes away half-way, another one may run it again from its beginning and gets the recorded outcomes of the commands that
   * were sent already: it has to ask for the same commands in the same order, and to do nothing else that must not be done twice.
   */
  readonly resumable?: boolean;
  /** What its maker found wrong with it, paths relative to the step; the compiler adds where it stands. */
  readonly problems?: readonly Problem[];
  /** The codebase that it checks out, when it names one. */
  readonly codebase?: string;
  /** Variables of the engine's environment that it reads. */
  readonly variables?: readonly string[];
  /** What a person should know about it, paths as with `problems`. */
  readonly notes?: readonly Note[];
  run(context: StepContext): Promise<Result | StepOutcome> | Result | StepOutcome;
  /** Everything that decides what it does, for the fingerprint. No secrets. */
  describe(): JsonValue;
}

/** The options every step has. */
export interface StepOptions extends Partial<StepFlags> {
  readonly name?: string;
  readonly doStepIf?: DoStepIf;
  readonly hideStepIf?: HideStepIf;
}

/** A step of the user's own. It runs in a thread beside the masters and may use any module. */
export function customStep(
  name: string,
  run: (context: StepContext) => Promise<Result | StepOutcome> | Result | StepOutcome,
  options: Omit<StepOptions, 'name'> & Pick<Step, 'resumable'> = {},
): Step {
  const { doStepIf, hideStepIf, resumable, ...flags } = options;
  return locate(customStep, {
    kind: 'custom',
    name,
    flags,
    doStepIf,
    hideStepIf,
    resumable,
    run,
    describe: () => ({ run: String(run) }),
  });
}

/** A template with all of Buildbot's rules, for places where `%%` has to become `%`. */
export function interpolate(template: string): Interpolation {
  return { interpolate: template };
}
