import type { Database } from '@millrace/database';
import type { Api } from '../api.js';

/** Something that builds, running, with four workers, to be measured from outside. */
export interface System {
  /** Heads a column of the table. */
  readonly name: string;
  readonly api: Api;
  /** Millrace's own, for what its rows tell about where the time went; null for the peer. */
  readonly database: Database | null;
  stop(): Promise<void>;
}

/** What the configurations of both systems read. */
export interface Workload {
  readonly burnSeconds: number;
  readonly lines: number;
}

export function workloadEnvironment({ burnSeconds, lines }: Workload): Record<string, string> {
  return { BENCH_BURN_SECONDS: String(burnSeconds), BENCH_LINES: String(lines) };
}
