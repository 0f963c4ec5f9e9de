import type { Properties, Result, TestCategory, TestResult } from '@millrace/domain';
import type { BuildEnd, EndedBuild } from '../claims/ending.js';
import type { LogType } from '../logs.js';

/** One event in a build. */
export type BuildEntry =
  /** The worker is prepared, and the steps begin. */
  | { readonly kind: 'worker-ready' }
  /** `resumable`: the step may be replayed when it is interrupted half-way (I9). `wantsLocks`: the step waits for locks before it runs. */
  | {
      readonly kind: 'step-started';
      readonly number: number;
      readonly name: string;
      readonly hidden: boolean;
      readonly resumable?: boolean;
      readonly wantsLocks?: boolean;
    }
  /** The step has its locks. */
  | { readonly kind: 'step-locked'; readonly number: number; readonly waitedMs: number }
  /** `urls` are additions. An existing one is not added again. */
  | {
      readonly kind: 'step-changed';
      readonly number: number;
      readonly stateString?: string;
      readonly urls?: readonly { name: string; url: string }[];
    }
  /** `hasLocks`: the step took locks, and leaves them now. `added` is JSON: what the steps that it has added are made of. */
  | {
      readonly kind: 'step-finished';
      readonly number: number;
      readonly results: Result;
      readonly stateString: string;
      readonly hidden: boolean;
      readonly hasLocks?: boolean;
      readonly added?: string | null;
    }
  | {
      readonly kind: 'command-intended';
      readonly step: number;
      readonly ordinal: number;
      readonly name: string;
      readonly uuid: string;
      readonly argsHash: string;
    }
  /** Belongs to the lines of the command's update of that number. `captured` is added to the output captured before. */
  | {
      readonly kind: 'command-stored';
      readonly step: number;
      readonly ordinal: number;
      readonly update: number;
      readonly captured: string;
    }
  /** The command is sent again under another id, because the first one cannot have had a lasting effect. */
  | { readonly kind: 'command-resent'; readonly step: number; readonly ordinal: number; readonly uuid: string }
  /** `outcome` is JSON. `ended`: the worker has reported the end. */
  | {
      readonly kind: 'command-finished';
      readonly step: number;
      readonly ordinal: number;
      readonly outcome: string;
      readonly ended: boolean;
    }
  /** Whole lines, each ending in a newline and, for type `s`, beginning with its stream's letter. */
  | {
      readonly kind: 'log-lines';
      readonly step: number;
      readonly log: string;
      readonly type: LogType;
      readonly text: string;
      readonly lines: number;
    }
  | { readonly kind: 'properties'; readonly properties: Properties }
  /** A value of the same name is replaced. */
  | { readonly kind: 'build-data'; readonly name: string; readonly source: string; readonly value: Buffer }
  /** The next results of a set. The first such entry makes the set; `isComplete`: there are no more. */
  | {
      readonly kind: 'test-results';
      readonly step: number;
      readonly set: TestResultSet;
      /** Number of the set's results before these. What is stored already is not stored again. */
      readonly from: number;
      readonly results: readonly TestResult[];
      readonly isComplete: boolean;
    }
  | { readonly kind: 'build-state'; readonly stateString: string }
  /** Nobody works on the build until its worker is back. */
  | { readonly kind: 'build-parked' }
  | { readonly kind: 'build-finished'; readonly end: BuildEnd };

/** What a set of test results is about. */
export interface TestResultSet {
  /** Counted from 0 for each step. */
  readonly ordinal: number;
  readonly description: string | null;
  readonly category: TestCategory;
  readonly valueUnit: string;
}

/** The rows that a committed group of entries changed, for the hints that follow. */
export interface Committed {
  readonly steps: readonly { readonly stepId: number; readonly event: 'started' | 'updated' | 'finished' }[];
  readonly logs: readonly { readonly stepId: number; readonly logId: number; readonly event: 'new' | 'append' }[];
  readonly testSets: readonly { readonly setId: number; readonly event: 'new' | 'completed' }[];
  readonly ended: EndedBuild | null;
  /** Whether the build has ended and its logs are in several chunks, which may be merged (`sealLogs`). */
  readonly isFragmented: boolean;
}
