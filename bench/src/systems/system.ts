import type { Database } from '@millrace/database';
import type { Api } from '../api.js';

/** A running CI system with four workers, which is measured from outside. */
export interface System {
  /** Heading of the system's column in the table. */
  readonly name: string;
  readonly api: Api;
  /** Millrace's own database, whose rows tell where the time went; null for the peer. */
  readonly database: Database | null;
  stop(): Promise<void>;
}

/** Parameters that the configurations of both systems read. */
export interface Workload {
  readonly burnSeconds: number;
  readonly lines: number;
}

export function workloadEnvironment({ burnSeconds, lines }: Workload): Record<string, string> {
  return { BENCH_BURN_SECONDS: String(burnSeconds), BENCH_LINES: String(lines) };
}
