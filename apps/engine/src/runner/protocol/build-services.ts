import type { AddedSteps } from '../../core/added-steps.js';
import type { ChangeInfo, CommandOutcome, LogKind, TriggerOutcome, TriggerRequest, WorkerInfo } from '@millrace/config';
import type { JsonValue, LockAccess, Properties, Result, SourceStamp, TestResult } from '@millrace/domain';
import type { TestSet } from '../../core/record-limits.js';

/** Everything that a runner needs to know about a build. Plain data. */
export interface BuildJob {
  readonly buildId: number;
  readonly buildUuid: string;
  readonly requestId: number;
  readonly number: number;
  readonly builderName: string;
  readonly configFile: string;
  /** Fingerprint of the configuration revision that the build runs under. */
  readonly fingerprint: string;
  readonly properties: Properties;
  readonly sourceStamps: readonly SourceStamp[];
  readonly changes: readonly ChangeInfo[];
  /** `env`: variables that the configuration adds to the worker's environment. */
  readonly worker: WorkerInfo & { readonly env: Readonly<Record<string, string | null>> };
  /** Folder below the worker's base directory. */
  readonly builddir: string;
  /** Finished steps, first to last, of a build that has begun before: on another engine, or in another thread. The other steps are run (I9). */
  readonly finishedSteps?: readonly FinishedStep[];
  /** Why such a build was stopped before it went on. What it had begun is interrupted, and its `alwaysRun` steps are run. */
  readonly stopReason?: string;
}

export interface FinishedStep {
  readonly number: number;
  readonly name: string;
  readonly results: Result;
  readonly stateString: string;
  /** What the steps that it has added are made of. */
  readonly added?: readonly AddedSteps[];
}

export interface CommandRequest {
  readonly stepNumber: number;
  /** Number of the command within its step, from 0. */
  readonly ordinal: number;
  /** A command of the worker protocol, by its msgpack name (`shell`, `upload_file`, `rmdir`, …), with absolute paths. */
  readonly name: string;
  readonly args: Readonly<Record<string, JsonValue>>;
  /** The log of type `s` for stdout, stderr and headers; null for none. Watched files are written to logs of their names. */
  readonly log: string | null;
  readonly logfiles?: Readonly<Record<string, string>>;
  /** Also return the standard output, cut after this many bytes. */
  readonly capture?: { readonly maxBytes: number };
  readonly upload?: { readonly blob: string };
  /** `content` is base64 and may be a secret: it is sent to the worker and nowhere else. */
  readonly download?: { readonly blob: string } | { readonly content: string };
  /** Return the file that the worker sends, instead of storing it. */
  readonly read?: { readonly maxBytes: number };
}

export type CommandResult = CommandOutcome;

export interface LocksRequest {
  readonly stepNumber: number;
  readonly locks: readonly LockAccess[];
}

/**
 * What became of a step that wanted locks. `taken`: it has them to its end; `properties` name the resources. `deadlock`: it would have
 * waited for ever.
 */
export type LocksResult =
  | { readonly kind: 'taken'; readonly properties: Properties }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'deadlock'; readonly text: string };

/** A step's call for other builds. It is numbered with the commands of its step. */
export interface TriggerCall extends TriggerRequest {
  readonly stepNumber: number;
  readonly ordinal: number;
}

/**
 * The engine's side of a build. Calls arrive in the order in which the build made them. `startStep`, `appendLog`, `setStepState`,
 * `finishStep` and `setProperties` are not awaited one by one: the engine keeps their order. Each rejects with FencedError once the build
 * is no longer this engine's, and the build then ends there.
 */
export interface BuildServices {
  startStep(step: {
    readonly number: number;
    readonly name: string;
    readonly hidden: boolean;
    /** Whether the step may be run again from its beginning when it is interrupted half-way. */
    readonly resumable: boolean;
    /** Whether the step takes locks before it runs. */
    readonly wantsLocks?: boolean;
  }): Promise<void>;
  /** Takes all locks of a step, however long it has to wait for them. They are left when the step finishes. */
  takeLocks(request: LocksRequest): Promise<LocksResult>;
  runCommand(request: CommandRequest): Promise<CommandResult>;
  /** Starts other builds. Resolves when they have ended if the step waits for them. */
  trigger(call: TriggerCall): Promise<TriggerOutcome>;
  /**
   * Interrupts what that step waits for, if anything: its running command, whose `runCommand` then resolves with `cancelled`, other builds,
   * whose `trigger` does so, too, or its locks.
   */
  interrupt(stepNumber: number, why: string): Promise<void>;
  appendLog(stepNumber: number, log: string, kind: LogKind, text: string): Promise<void>;
  /** Sets a step's state. `urls` are additions. */
  setStepState(stepNumber: number, state: StepState): Promise<void>;
  finishStep(step: {
    readonly number: number;
    readonly results: Result;
    readonly stateString: string;
    readonly hidden: boolean;
    /** What the steps that it has added are made of. */
    readonly added?: readonly AddedSteps[];
  }): Promise<void>;
  /** Sets the changed properties. */
  setProperties(properties: Properties): Promise<void>;
  /** Stores a value with the build. `value` is base64. A value of the same name is replaced. */
  setBuildData(data: { readonly name: string; readonly source: string; readonly value: string }): Promise<void>;
  /** Records the next results of a set of the step. The first call for a set makes it. */
  addTestResults(tests: TestResultsCall): Promise<void>;
}

export interface TestResultsCall {
  readonly stepNumber: number;
  readonly set: TestSet;
  readonly results: readonly TestResult[];
  /** Whether these are the last ones. */
  readonly isComplete: boolean;
}

export interface StepState {
  readonly stateString?: string;
  readonly urls?: readonly { readonly name: string; readonly url: string }[];
}

/**
 * `died`: the runner could not complete the build; `step` was running then. It is the step's fault when the step ended its own thread (an
 * exit, memory, a throw outside of its call) and would do so again, otherwise the runner's (its process ended, the claim was lost).
 */
export type BuildOutcome =
  | { readonly kind: 'finished'; readonly results: Result; readonly stateString: string }
  | { readonly kind: 'died'; readonly fault: 'step' | 'runner'; readonly reason: string; readonly step: string | null };

export interface RunningBuild {
  /** Never rejects. Earlier calls to the engine may still be pending. */
  readonly outcome: Promise<BuildOutcome>;
  /**
   * Interrupts the current step. The build ends CANCELLED after its `alwaysRun` steps. A second call interrupts the running one of those. A
   * step that burns CPU is ended with its thread after some seconds, and then no `alwaysRun` steps are run.
   */
  stop(reason: string): void;
  /** Ends the build at once, wherever it is. `outcome` is `died`. */
  drop(reason: string): void;
}

export const HOST_METHODS = [
  'startStep',
  'takeLocks',
  'runCommand',
  'trigger',
  'interrupt',
  'appendLog',
  'setStepState',
  'finishStep',
  'setProperties',
  'setBuildData',
  'addTestResults',
] as const satisfies readonly (keyof BuildServices)[];
export type ServiceMethod = (typeof HOST_METHODS)[number];
/** Calls that nobody waits for. Of these only a failure is answered: an answer costs two processes and a thread as much as a call. */
export const UNANSWERED: ReadonlySet<ServiceMethod> = new Set(['startStep', 'finishStep']);
