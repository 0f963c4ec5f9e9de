import type { CompiledScheduler } from '@millrace/contracts';
import type { JsonValue, Properties, Result, SourceStamp } from '@millrace/domain';
import type { CallbackTable } from '../callback-table.js';
import type { ObjectReader } from '../object-reader.js';

export interface CompileContext {
  /** The scheduler's name. */
  readonly name: string;
  readonly callbacks: CallbackTable;
}

/**
 * A kind of scheduler: how its options are read, and what it decides. It is pure: it gets all the data that it needs, and returns what is
 * to be done. `Own` is the kind's own part of a scheduler in a revision.
 */
export interface SchedulerKind<Own extends object = object> {
  readonly name: string;
  /** Reads the kind's own options. The common options have been read already. */
  compile(reader: ObjectReader, context: CompileContext): Own;
  /**
   * Returns the codebases of which the scheduler makes source stamps when nobody calls it; null when it takes the source stamps that it is
   * given.
   *
   * @param ofChanges codebases that changes may have
   */
  codebases(scheduler: CompiledScheduler & Own, ofChanges: readonly string[]): readonly string[] | null;
  /** Returns the names of the schedulers whose finished buildsets the scheduler waits for. */
  upstreams?(scheduler: CompiledScheduler & Own): readonly string[];
  /** Whether the scheduler uses what it remembers (`SchedulerState.known`). Without this it never does. */
  remembers?(scheduler: CompiledScheduler & Own): boolean;
  /**
   * Whether the last call is kept (`SchedulerState.call`) until a decision takes it. A call makes no buildset then: the answer to it only
   * says what would be built.
   */
  readonly keepsCalls?: boolean;
  /** The causes that the scheduler decides about. It gets no others. */
  readonly on: Reactions<CompiledScheduler & Own>;
}

/** The decisions of a kind about each sort of cause. */
export interface Reactions<S extends CompiledScheduler = CompiledScheduler> {
  /** Decides about a change. Called once per change, in the order of their `seq`. */
  change?(this: void, scheduler: S, state: SchedulerState, cause: ChangeCause): Decision | Ask;
  /**
   * Decides when time has passed. Called at the time that the last decision asked for, and at any other time as well: at start, after a new
   * configuration, after the clock was set. So it must look at `state.nowMs` and must not assume why it is called.
   */
  time?(this: void, scheduler: S, state: SchedulerState, cause: TimeCause): Decision;
  /** Decides about a finished buildset of any scheduler. Called once per buildset, in the order of their `seq`. */
  buildset?(this: void, scheduler: S, state: SchedulerState, buildset: FinishedBuildset): Decision;
  /**
   * Answers a request for a build by the scheduler's name.
   * @throws UserError for an invalid request
   */
  call?(this: void, scheduler: S, call: Call): PlannedBuildset;
}

/** State of a scheduler. */
export interface SchedulerState {
  /** By the database's clock. */
  readonly nowMs: number;
  /** The `wakeAtMs` of the last decision. */
  readonly wakeAtMs: number | null;
  /** What the scheduler remembers: the last known source stamp of each codebase. */
  readonly known: readonly SourceStamp[];
  /** The last call, as long as no decision has taken it; null where there is none, or the kind keeps none. */
  readonly call: Call | null;
}

/** What a scheduler decided. It is carried out in one transaction. */
export interface Decision {
  readonly buildsets: readonly PlannedBuildset[];
  readonly marks: readonly Mark[];
  /** Source stamps that are the last known ones of their codebases from now on. */
  readonly remember?: readonly SourceStamp[];
  /** Whether the call that is kept is done with. */
  readonly takesCall?: boolean;
  /** When the scheduler must be called again, by the database's clock, if nothing else happens; null for never. */
  readonly wakeAtMs: number | null;
}

/** A question that must be answered first. The scheduler is then called again with the answer. */
export interface Ask {
  readonly ask: Question;
}

/** A question to a callback of the configuration. */
export interface Question {
  readonly handle: string;
  readonly value: JsonValue;
  /** Shorter than the usual limit of callbacks. */
  readonly timeoutMs?: number;
}

/** A callback's result, or why it keeps failing. */
export type Answer = boolean | { readonly failed: string };

/** Answers by handle. */
export type Answers = ReadonlyMap<string, Answer>;

export interface PlannedBuildset {
  /** Identifies the cause. A scheduler makes one buildset per cause (I2). */
  readonly cause: string;
  readonly reason: string;
  readonly sourceStamps: readonly SourceStamp[];
  /** Ids of the changes that are built. Each of them gets a mark. */
  readonly changeIds: readonly number[];
  readonly properties: Properties;
  /** Names of builders. */
  readonly builders: readonly string[];
  readonly priority: number;
}

/** The decision about a change. `was`: the change had no mark before, or was waiting. */
export type Mark = { readonly changeId: number; readonly was: 'new' | 'waiting' } &
  /** `reason`: in words, for people who ask why the change has no build. */
  (
    | { readonly now: 'ignored'; readonly reason: string }
    /** The callback failed. That counts as the decision, and the cursor goes on. */
    | { readonly now: 'failed'; readonly reason: string }
    /** The change waits from now on. */
    | { readonly now: 'waiting'; readonly important: boolean }
    | { readonly now: 'built'; readonly important: boolean }
  );

/** A change with the attributes that schedulers use. */
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
  /** Answers to the questions asked about the change so far. */
  readonly answers: Answers;
}

export interface TimeCause {
  /** Waiting changes, oldest first. */
  readonly waiting: readonly WaitingChange[];
  /** Whether there are more waiting changes than these. */
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
  /** The property `got_revision` of a build that went well; null when there is none, or every source stamp names its revision. */
  readonly gotRevision: JsonValue;
}

/** A request for a build. Null fields stand for the scheduler's own values. */
export interface Call {
  /** Unique id, which makes the request a cause of its own. */
  readonly id: string;
  readonly builders: readonly string[] | null;
  readonly reason: string | null;
  /** Empty for the scheduler's own. */
  readonly sourceStamps: readonly SourceStamp[];
  readonly properties: Properties;
  readonly priority: number | null;
}

/** Returns the decision to do nothing and keep the last wake-up time. */
export function unchanged(state: SchedulerState): Decision {
  return { buildsets: [], marks: [], wakeAtMs: state.wakeAtMs };
}
