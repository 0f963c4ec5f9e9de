import type { JsonValue } from '@millrace/domain';

/** What every scheduler may be given. */
export interface SchedulerOptions {
  readonly builders: readonly string[];
  readonly reason?: string;
  readonly properties?: Readonly<Record<string, JsonValue>>;
  /** Higher is sooner; 0 by default. */
  readonly priority?: number;
}
