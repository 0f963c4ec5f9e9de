import type { JsonValue, SourceStamp } from '@millrace/domain';
import type { ChangeInfo } from '../step.js';

/** A buildset that a scheduler is about to make. */
export interface BuildsetInfo {
  /** Oldest first; none when time or another buildset is the cause. */
  readonly changes: readonly ChangeInfo[];
  readonly sourceStamps: readonly SourceStamp[];
  /** Names of the builders. */
  readonly builders: readonly string[];
}

/** A value, or a callback that chooses one for each buildset that the scheduler makes by itself. */
export type Chosen<T> = T | ((buildset: BuildsetInfo) => T | Promise<T>);

/** Options of every scheduler. */
export interface SchedulerOptions {
  /** Names. A callback may choose among all builders. */
  readonly builders: Chosen<readonly string[]>;
  readonly reason?: string;
  readonly properties?: Readonly<Record<string, JsonValue>>;
  /** Higher is sooner. Default 0. */
  readonly priority?: Chosen<number>;
}
