import type { ChangeInfo, CommandOutcome, WorkerInfo } from '@millrace/config';
import type { JsonValue, Properties, Result, SourceStamp } from '@millrace/domain';

/** Everything a runner has to know of a build; plain data. */
export interface BuildJob {
  readonly buildId: number;
  readonly buildUuid: string;
  readonly requestId: number;
  readonly number: number;
  readonly builderName: string;
  readonly configFile: string;
  /** Of the configuration revision that the build runs under. */
  readonly fingerprint: string;
  readonly properties: Properties;
  readonly sourceStamps: readonly SourceStamp[];
  readonly changes: readonly ChangeInfo[];
  /** `env`: what the configuration adds to its environment. */
  readonly worker: WorkerInfo & { readonly env: Readonly<Record<string, string | null>> };
  /** Below the worker's base directory. */
  readonly builddir: string;
  /** For a build that goes on where another engine stopped: the steps that are over, first to last; the others are run (I9). */
  readonly finishedSteps?: readonly FinishedStep[];
}

export interface FinishedStep {
  readonly number: number;
  readonly name: string;
  readonly results: Result;
  readonly stateString: string;
}

export interface CommandRequest {
  readonly stepNumber: number;
  /** Counts the step's commands from 0. */
  readonly ordinal: number;
  /** A command of the worker protocol, by its msgpack name (`shell`, `upload_file`, `rmdir`, …), paths absolute. */
  readonly name: string;
  readonly args: Readonly<Record<string, JsonValue>>;
  /** The log of type `s` that stdout, stderr and headers go into; null for none. Watched files go into logs of their names. */
  readonly log: string | null;
  readonly logfiles?: Readonly<Record<string, string>>;
  /** Standard output is also returned, cut after so many bytes. */
  readonly capture?: { readonly maxBytes: number };
  readonly upload?: { readonly blob: string };
  /** `content` is base64 and may be a secret: it goes to the worker and nowhere else. */
  readonly download?: { readonly blob: string } | { readonly content: string };
}

export type CommandResult = CommandOutcome;

export type LogStream = 'o' | 'e' | 'h' | '';

/**
 * What the engine does for a build. Calls arrive in the order in which the build made them, and `startStep`, `appendLog`,
 * `setStepState`, `finishStep` and `setProperties` are not waited for one by one: the engine keeps their order. Each rejects
 * with FencedError once the build is no longer this engine's, and the build then ends there.
 */
export interface BuildHost {
  startStep(step: {
    readonly number: number;
    readonly name: string;
    readonly hidden: boolean;
    /** It may be run again from its beginning when it is interrupted half-way. */
    readonly resumable: boolean;
  }): Promise<void>;
  runCommand(request: CommandRequest): Promise<CommandResult>;
  /** Interrupts the command of that step, if one is running; its `runCommand` then resolves with `cancelled`. */
  interrupt(stepNumber: number, why: string): Promise<void>;
  appendLog(stepNumber: number, log: string, stream: LogStream, text: string): Promise<void>;
  /** `urls` are additions. */
  setStepState(stepNumber: number, state: StepState): Promise<void>;
  finishStep(step: {
    readonly number: number;
    readonly results: Result;
    readonly stateString: string;
    readonly hidden: boolean;
  }): Promise<void>;
  /** Only those that changed. */
  setProperties(properties: Properties): Promise<void>;
}

export interface StepState {
  readonly stateString?: string;
  readonly urls?: readonly { readonly name: string; readonly url: string }[];
}

/**
 * `died`: the runner could not bring it to an end; `step` was running then. The fault is the step's when that ended its own thread (an
 * exit, memory, a throw out of band) and would do so again; else the runner's (its process ended, the claim was lost).
 */
export type BuildOutcome =
  | { readonly kind: 'finished'; readonly results: Result; readonly stateString: string }
  | { readonly kind: 'died'; readonly fault: 'step' | 'runner'; readonly reason: string; readonly step: string | null };

export interface RunningBuild {
  /** Never rejects. Calls made to the host before may still be under way. */
  readonly outcome: Promise<BuildOutcome>;
  /**
   * Interrupts the current step; the build ends CANCELLED after its `alwaysRun` steps. Called again, it interrupts the one of
   * those that is running. A step that burns CPU is ended with its thread after some seconds, `alwaysRun` steps included.
   */
  stop(reason: string): void;
  /** Ends it at once, wherever it is; `outcome` is `died`. */
  drop(reason: string): void;
}

export const HOST_METHODS = [
  'startStep',
  'runCommand',
  'interrupt',
  'appendLog',
  'setStepState',
  'finishStep',
  'setProperties',
] as const satisfies readonly (keyof BuildHost)[];
export type HostMethod = (typeof HOST_METHODS)[number];
