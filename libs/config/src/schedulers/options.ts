import type { JsonValue } from '@millrace/domain';

/** Options of every scheduler. */
export interface SchedulerOptions {
  readonly builders: readonly string[];
  readonly reason?: string;
  readonly properties?: Readonly<Record<string, JsonValue>>;
  /** Higher is sooner. Default 0. */
  readonly priority?: number;
}
