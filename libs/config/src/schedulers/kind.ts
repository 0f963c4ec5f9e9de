import type { CompiledScheduler } from '@millrace/contracts';
import type { JsonValue, Properties, Result, SourceStamp } from '@millrace/domain';
import type { CallbackTable } from '../callback-table.js';
import type { ObjectReader } from '../object-reader.js';

export interface CompileContext {
  /** The scheduler's. */
  readonly name: string;
  readonly callbacks: CallbackTable;
}

/**
 * A kind of scheduler: how its options are read, and what it makes of what happens. Pure: it is told everything that it needs, and
 * says what is to be done. `Own` is what it has in a revision beside what all have.
 */
export interface SchedulerKind<Own extends object = object> {
  readonly name: string;
  /** Reads its own options; those that all have are read already. */
  compile(reader: ObjectReader, context: CompileContext): Own;
  /**
   * The codebases that it makes source stamps of, where nobody calls it; null: it makes them of what it is told.
   *
   * @param ofChanges those that changes may be of
   */
  codebases(scheduler: CompiledScheduler & Own, ofChanges: readonly string[]): readonly string[] | null;
  /** What it decides by: it hears of these causes and of no others. */
  readonly on: Reactions<CompiledScheduler & Own>;
}

/** What a kind decides about each sort of cause. */
export interface Reactions<S extends CompiledScheduler = CompiledScheduler> {
  /** A change has come; each is told once, in the order of their `seq`. */
  change?(this: void, scheduler: S, state: SchedulerState, cause: ChangeCause): Decision | Ask;
  /**
   * Time has passed. It comes at the time that the last decision asked for, and at any other time as well: at start, after a new
   * configuration, after the clock was set. So it looks at `state.nowMs`, and knows nothing of why it is called.
   */
  time?(this: void, scheduler: S, state: SchedulerState, cause: TimeCause): Decision;
  /** A buildset has finished, of whatever scheduler; each is told once, in the order of their `seq`. */
  buildset?(this: void, scheduler: S, state: SchedulerState, buildset: FinishedBuildset): Decision;
  /** Somebody asks for a build by the scheduler's name. @throws UserError for what it cannot be asked */
  call?(this: void, scheduler: S, call: Call): PlannedBuildset;
}

/** How a scheduler stands. */
export interface SchedulerState {
  /** By the database's clock. */
  readonly nowMs: number;
  /** What the last decision asked for. */
  readonly wakeAtMs: number | null;
}

/** What is to be done, in one transaction. */
export interface Decision {
  readonly buildsets: readonly PlannedBuildset[];
  readonly marks: readonly Mark[];
  /** When it wants to be asked again, by the database's clock, if nothing else happens; null: then it need not be. */
  readonly wakeAtMs: number | null;
}

/** It cannot be decided before this is answered; decided again with the answer. */
export interface Ask {
  readonly ask: Question;
}

/** A question to a callback of the configuration. */
export interface Question {
  readonly handle: string;
  readonly value: JsonValue;
  /** Less than callbacks have otherwise. */
  readonly timeoutMs?: number;
}

/** What a callback said, or why it keeps failing. */
export type Answer = boolean | { readonly failed: string };

/** By handle. */
export type Answers = ReadonlyMap<string, Answer>;

export interface PlannedBuildset {
  /** A scheduler makes one buildset for a cause (I2). */
  readonly cause: string;
  readonly reason: string;
  readonly sourceStamps: readonly SourceStamp[];
  /** Those it is built for; each of them gets a mark. */
  readonly changeIds: readonly number[];
  readonly properties: Properties;
  /** Names. */
  readonly builders: readonly string[];
  readonly priority: number;
}

/** What was decided about a change. `was`: it has no mark yet, or that of waiting. */
export type Mark = { readonly changeId: number; readonly was: 'new' | 'waiting' } & (
  | { readonly now: 'ignored'; readonly reason: string | null }
  /** Its callback failed: that is the decision, and the cursor goes on. */
  | { readonly now: 'failed'; readonly reason: string }
  /** It waits from now on. */
  | { readonly now: 'waiting'; readonly important: boolean }
  | { readonly now: 'built'; readonly important: boolean }
);

/** A change, as far as schedulers look at it. */
export interface SeenChange extends SourceStamp {
  readonly changeId: number;
  readonly author: string;
  readonly comments: string;
  readonly category: string | null;
  readonly whenMs: number;
  readonly files: readonly string[];
  readonly properties: Properties;
}

export interface ChangeCause {
  readonly change: SeenChange;
  /** To what was asked about it so far. */
  readonly answers: Answers;
}

export interface TimeCause {
  /** Changes that wait, oldest first. */
  readonly waiting: readonly WaitingChange[];
  /** Whether there are more of them. */
  readonly hasMore: boolean;
}

export interface WaitingChange {
  readonly change: SeenChange;
  readonly important: boolean;
  /** By the database's clock. */
  readonly sinceMs: number;
}

export interface FinishedBuildset {
  readonly buildsetId: number;
  readonly schedulerName: string;
  readonly results: Result;
  readonly sourceStamps: readonly SourceStamp[];
}

/** What somebody asks for; null is what the scheduler has. */
export interface Call {
  /** Makes it a cause of its own. */
  readonly id: string;
  readonly builders: readonly string[] | null;
  readonly reason: string | null;
  readonly sourceStamps: readonly SourceStamp[];
  readonly properties: Properties;
  readonly priority: number | null;
}

/** Nothing is to be done, and what was asked for last still stands. */
export function unchanged(state: SchedulerState): Decision {
  return { buildsets: [], marks: [], wakeAtMs: state.wakeAtMs };
}
