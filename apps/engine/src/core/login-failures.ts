import { printable } from '@millrace/domain';

/** Reasons why a connection did not become a worker's session. */
export const REFUSALS = [
  'wrong-credentials',
  'no-credentials',
  'duplicate',
  'full',
  'displaced',
  'malformed',
  'tls',
  'proxy-header',
  'attach-failed',
] as const;
export type Refusal = (typeof REFUSALS)[number];

/** Refused connections of one name from one address for one reason. */
export interface LoginFailure {
  /** As it was given, printable and cut to a length; empty when the connection ended before it gave one. */
  readonly name: string;
  readonly address: string;
  readonly reason: Refusal;
  readonly count: number;
  readonly firstAtMs: number;
  readonly lastAtMs: number;
}

/** Refusals since the last summary that had no log line of their own. */
export interface RefusalSummary {
  readonly count: number;
  readonly addresses: number;
  readonly byReason: Readonly<Partial<Record<Refusal, number>>>;
}

export interface LoginFailuresOptions {
  /** Most rows. The ones that were last seen longest ago are dropped first. */
  readonly most?: number;
  /** Most rows that get a log line between two summaries. */
  readonly linesPerSummary?: number;
}

const NAME_CHARACTERS = 100;

/** Recent refusals, in bounded memory, and the decision which of them are logged. */
export class LoginFailures {
  /** Ordered by when they were last seen. */
  private readonly rows = new Map<string, LoginFailure>();
  private readonly totals = new Map<Refusal, number>();
  private readonly most: number;
  private readonly linesPerSummary: number;
  private lines = 0;
  private unsaid: { count: number; addresses: Set<string>; byReason: Partial<Record<Refusal, number>> } = nothing();

  constructor({ most = 500, linesPerSummary = 10 }: LoginFailuresOptions = {}) {
    this.most = most;
    this.linesPerSummary = linesPerSummary;
  }

  /**
   * Records a refusal.
   * @returns whether to log it now: the first of its kind, unless there were many others already
   */
  record(reason: Refusal, name: string, address: string, nowMs: number): boolean {
    this.totals.set(reason, this.total(reason) + 1);
    const shortName = printable(name, NAME_CHARACTERS);
    const key = JSON.stringify([reason, shortName, address]);
    const earlier = this.rows.get(key);
    this.rows.delete(key);
    this.rows.set(key, {
      name: shortName,
      address,
      reason,
      count: (earlier?.count ?? 0) + 1,
      firstAtMs: earlier?.firstAtMs ?? nowMs,
      lastAtMs: nowMs,
    });
    if (this.rows.size > this.most) this.rows.delete(this.rows.keys().next().value!);
    if (!earlier && this.lines < this.linesPerSummary) {
      this.lines++;
      return true;
    }
    this.unsaid.count++;
    this.unsaid.byReason[reason] = (this.unsaid.byReason[reason] ?? 0) + 1;
    if (this.unsaid.addresses.size < this.most) this.unsaid.addresses.add(address);
    return false;
  }

  /** Returns the refusals that were not logged since the last call; null when there were none. */
  summary(): RefusalSummary | null {
    const { count, addresses, byReason } = this.unsaid;
    this.unsaid = nothing();
    this.lines = 0;
    return count === 0 ? null : { count, addresses: addresses.size, byReason };
  }

  /** Returns the recent refusals, the latest first. */
  snapshot(): LoginFailure[] {
    return [...this.rows.values()].reverse();
  }

  /** Returns the number of refusals since the start. */
  total(reason: Refusal): number {
    return this.totals.get(reason) ?? 0;
  }
}

function nothing(): { count: number; addresses: Set<string>; byReason: Partial<Record<Refusal, number>> } {
  return { count: 0, addresses: new Set(), byReason: {} };
}
