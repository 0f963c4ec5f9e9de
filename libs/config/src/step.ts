import type { JsonValue, Result, SourceStamp, StepFlags, TestCategory } from '@millrace/domain';
import { locate } from './location.js';
import type { LocksOption } from './locks.js';
import type { Note, Problem } from './problems.js';

/** A template with all of Buildbot's `Interpolate` rules (`%%` is a percent sign), made by `interpolate()`. */
export interface Interpolation {
  readonly interpolate: string;
}

/**
 * A value that may depend on the build. In plain strings `%(prop:NAME)s` and `%(src:CODEBASE:ATTR)s` are replaced, and everything else,
 * including `%%`, is kept as it is. Lists and records are rendered part by part.
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

/** The data that callbacks and templates may use. */
export interface RenderContext {
  readonly builderName: string;
  readonly buildNumber: number;
  readonly properties: PropertyReader;
  /**
   * The main source stamp: the unnamed one, or the only one. Its fields are empty when several source stamps all have names: see
   * `sourceStamps`.
   */
  readonly sourceStamp: SourceStamp;
  /** One source stamp per codebase, in the order of the codebases' names. */
  readonly sourceStamps: readonly SourceStamp[];
  readonly changes: readonly ChangeInfo[];
  readonly worker: WorkerInfo;
}

export interface PropertyReader {
  get(name: string): JsonValue | undefined;
  has(name: string): boolean;
}

export interface PropertyStore extends PropertyReader {
  /** Sets a property, which is kept with the build. `source` defaults to the step's name. */
  set(name: string, value: JsonValue, source?: string): void;
}

/** How a remote command ended. `rc` is null when the command ended without one. */
export interface CommandOutcome {
  readonly rc: number | null;
  readonly failure: string | null;
  /**
   * `timeout`, `timeout_without_output` or `max_lines_failure`, when the worker itself ended the command; or why a file could not be
   * transferred.
   */
  readonly failureReason: string | null;
  /** With `capture`: standard output, cut at `maxBytes` and at 1 MiB. */
  readonly stdout?: string;
  /** Result of `glob` and `listdir`. */
  readonly files?: readonly string[];
  /** Result of `stat`. */
  readonly stat?: readonly number[];
  /** With `read`: the file, as base64. */
  readonly content?: string;
  readonly cancelled: boolean;
  readonly workerLost: boolean;
}

export interface CommandOptions {
  /** Name of the log for stdout, stderr and headers; no log when null or missing. */
  readonly log?: string | null;
  /** Files that the worker watches while the command runs: paths relative to the command's folder, by log name. */
  readonly logfiles?: Readonly<Record<string, string>>;
  readonly capture?: { readonly maxBytes: number };
  readonly upload?: { readonly blob: string };
  readonly download?: { readonly blob: string } | { readonly content: string };
  /** Return the file that the worker sends: at most 4 MiB. */
  readonly read?: { readonly maxBytes: number };
  /** Run the command even when the build is being stopped, for cleaning up. */
  readonly evenIfStopped?: boolean;
}

export interface ShellOptions {
  /** A list is run directly, a string by the worker's shell. It must already be rendered, by `renderCommand`. */
  readonly command: string | readonly string[];
  /** Relative to the builder's folder. Default `build`. */
  readonly workdir?: string;
  /** Environment on top of the builder's; null removes a variable. */
  readonly env?: Readonly<Record<string, string | null>>;
  /** Limit of the time without any output; null for no limit. Default 1200. */
  readonly timeoutSeconds?: number | null;
  readonly maxTimeSeconds?: number | null;
  readonly sigtermTimeSeconds?: number | null;
  readonly interruptSignal?: string;
  readonly maxLines?: number | null;
  /** Name of the log, default `stdio`; null for none. */
  readonly log?: string | null;
  readonly logfiles?: Readonly<Record<string, string>>;
  readonly logEnviron?: boolean;
  readonly usePty?: boolean;
  readonly stdin?: string;
  readonly capture?: { readonly maxBytes: number };
  readonly evenIfStopped?: boolean;
}

/** HTML is shown as a page, which runs no scripts. */
export type LogKind = 'text' | 'html';

export interface LogWriter {
  /**
   * Adds text to the log. Resolves once the text is committed. Waiting for it slows a chatty step down; text is not lost without waiting
   * either.
   */
  append(text: string): Promise<void>;
}

/** What a set of test results is about. */
export interface TestSetOptions {
  readonly description?: string;
  /** Default `pass_fail`, where a result's value is 1 for a test that passed, and 0 for one that failed. */
  readonly category?: TestCategory;
  /** Unit of the values, a word. Default `boolean`. */
  readonly valueUnit?: string;
}

/** The result of one test. It has a name, or the path of code that it is about. */
export interface TestResultOptions {
  readonly name?: string;
  readonly codePath?: string;
  readonly line?: number;
  readonly durationNs?: number;
  readonly value: string | number | boolean;
  /** What the test says about a failure. */
  readonly message?: string;
}

export interface TestResultWriter {
  /** Adds results. Resolves once they are committed. They are not lost without waiting either. */
  add(...results: readonly TestResultOptions[]): Promise<void>;
}

/** A file of the worker, and how reading it went. */
export interface FileContent {
  readonly outcome: CommandOutcome;
  readonly content: Buffer | null;
}

/** Schedulers that a step starts, and how. */
export interface TriggerRequest {
  readonly schedulers: readonly TriggeredScheduler[];
  /** Whether to wait until the builds have ended. Those that still wait or run when the waiting build ends are cancelled. */
  readonly waitForFinish: boolean;
  /** Empty for the source stamps of each scheduler's own codebases, at their latest revision. */
  readonly sourceStamps: readonly SourceStamp[];
  readonly relationship: string;
  /** Null for that of each scheduler, or of the build's request where the scheduler has none. */
  readonly priority: number | null;
}

export interface TriggeredScheduler {
  readonly name: string;
  /** They take precedence over the scheduler's own. */
  readonly properties: Readonly<Record<string, JsonValue>>;
}

/** What became of the builds that a step has started: one of each scheduler, in the order of the request. */
export interface TriggerOutcome {
  readonly triggered: readonly TriggeredBuildset[];
  /** True when the build was stopped while it waited. */
  readonly cancelled: boolean;
}

export interface TriggeredBuildset {
  readonly scheduler: string;
  /** Null where the scheduler builds later (`nightlyTriggerable`). */
  readonly buildsetId: number | null;
  readonly requestIds: readonly number[];
  /** The worst result of its builds; null when nobody has waited for it. */
  readonly results: Result | null;
}

/** Everything that a step can do. Relative worker paths start at the builder's folder. */
export interface StepContext extends RenderContext {
  readonly stepName: string;
  readonly properties: PropertyStore;
  /** Aborted when the build is stopped. */
  readonly signal: AbortSignal;
  render<T>(value: Renderable<T>): Promise<T>;
  /**
   * Renders a command for `shell`. In a string every value is quoted for the worker's shell, so that it is one word whatever it contains,
   * unless it is marked `%(raw:prop:NAME)s`. A callback's result is not quoted.
   */
  renderCommand(command: Renderable<string | readonly string[]>): Promise<string | readonly string[]>;
  /** Renders a path on the worker. Values can only lead to places below the one that the template names. */
  renderPath(path: Renderable<string>): Promise<string>;
  /** Joins paths with the worker's rules: an absolute part wins, a leading `~` is the worker's home. */
  path(...parts: string[]): string;
  /** Runs a command of the worker protocol, with its msgpack argument names. */
  command(name: string, args: Readonly<Record<string, JsonValue>>, options?: CommandOptions): Promise<CommandOutcome>;
  shell(options: ShellOptions): Promise<CommandOutcome>;
  /** Starts other builds by the names of their schedulers. */
  trigger(what: TriggerRequest): Promise<TriggerOutcome>;
  /**
   * Adds the steps that the step's `makeSteps` makes of this data right after this step, before all others, in the order of the calls.
   * @returns their number
   * @throws UserError `bad-steps`
   */
  addStepsAfterCurrentStep(data: JsonValue): number;
  /** Adds steps like `addStepsAfterCurrentStep`, after all others. */
  addStepsAfterLastStep(data: JsonValue): number;
  /** Returns a log of the step. What it is, text or HTML, is decided the first time. */
  log(name: string, kind?: LogKind): LogWriter;
  /**
   * Stores a value with the build, for people and programs that ask for it by name. One of the same name is replaced. Resolves once it is
   * committed.
   */
  setBuildData(name: string, value: string | Uint8Array, source: string): Promise<void>;
  /** Begins a set of test results. It is complete when the step ends. */
  testResults(about: TestSetOptions): TestResultWriter;
  /** Reads a file of the worker. The content is null when that fails: the outcome says why. */
  readFile(workerSrc: string, options?: { readonly maxBytes?: number }): Promise<FileContent>;
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
  /** Replaces the step's last state text. */
  readonly stateString?: string;
}

export type DoStepIf = boolean | ((step: StepContext) => boolean | Promise<boolean>);
/** Decides whether a build is done at all, before its first step. */
export type DoBuildIf = boolean | ((build: RenderContext) => boolean | Promise<boolean>);
export type HideStepIf = boolean | ((result: Result, step: StepContext) => boolean | Promise<boolean>);

/** A step of a factory. One object is run by many builds, so it keeps no state of its own. */
export interface Step {
  readonly kind: string;
  readonly name: string;
  readonly flags: Partial<StepFlags>;
  readonly doStepIf?: DoStepIf;
  readonly hideStepIf?: HideStepIf;
  /** Locks that the step takes before it runs, all at once, and holds to its end. A callback is asked once, when the step begins. */
  readonly locks?: LocksOption;
  /**
   * Whether another engine may run the step again from its beginning, when its engine is lost half-way. The recorded outcomes of the
   * commands already sent are then returned again. So the step has to run the same commands in the same order, and must do nothing else
   * that must not be done twice.
   */
  readonly resumable?: boolean;
  /** Problems that the step's maker found. Paths are relative to the step; the compiler adds the step's place. */
  readonly problems?: readonly Problem[];
  /**
   * Makes the steps that the step adds to its build (`StepContext.addStepsAfterCurrentStep`). The data is recorded, and whoever goes on with
   * the build calls this again: the same data has to make the same steps.
   */
  makeSteps?(data: JsonValue): readonly Step[];
  /** The codebase that the step checks out, when it names one. */
  readonly codebase?: string;
  /** Schedulers that the step starts, as far as they are known beforehand. */
  readonly triggers?: readonly string[];
  /** Variables of the engine's environment that the step reads. */
  readonly variables?: readonly string[];
  /** Remarks about the step, with paths as in `problems`. */
  readonly notes?: readonly Note[];
  run(context: StepContext): Promise<Result | StepOutcome> | Result | StepOutcome;
  /** Returns everything that decides what the step does, for the fingerprint. Must not return secrets. */
  describe(): JsonValue;
}

/** Options of every step. */
export interface StepOptions extends Partial<StepFlags> {
  readonly name?: string;
  readonly doStepIf?: DoStepIf;
  readonly hideStepIf?: HideStepIf;
  /** Locks that the step takes before it runs, all at once, and holds to its end. A callback is asked once, when the step begins. */
  readonly locks?: LocksOption;
}

/** Defines a step of the user's own. It runs in a thread apart from the masters and may use any module. */
export function customStep(
  name: string,
  run: (context: StepContext) => Promise<Result | StepOutcome> | Result | StepOutcome,
  options: Omit<StepOptions, 'name'> & Pick<Step, 'resumable' | 'makeSteps'> = {},
): Step {
  const { doStepIf, hideStepIf, locks, resumable, makeSteps, ...flags } = options;
  return locate(customStep, {
    kind: 'custom',
    name,
    flags,
    doStepIf,
    hideStepIf,
    ...(locks && { locks }),
    resumable,
    ...(makeSteps && { makeSteps }),
    run,
    describe: () => ({ run: String(run), ...(makeSteps && { makeSteps: String(makeSteps) }) }),
  });
}

/** Makes a template with all of Buildbot's rules, for places where `%%` has to become `%`. */
export function interpolate(template: string): Interpolation {
  return { interpolate: template };
}
