import { printable } from '@millrace/domain';

/** Why a connection did not become a worker's session. */
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

/** Connections of one name from one address that were refused for one reason. */
export interface LoginFailure {
  /** As it was given, printable and cut to a length; empty when it did not get so far. */
  readonly name: string;
  readonly address: string;
  readonly reason: Refusal;
  readonly count: number;
  readonly firstAtMs: number;
  readonly lastAtMs: number;
}

/** What was refused since the last summary without a line of its own in the log. */
export interface RefusalSummary {
  readonly count: number;
  readonly addresses: number;
  readonly byReason: Readonly<Partial<Record<Refusal, number>>>;
}

export interface LoginFailuresOptions {
  /** Rows kept; those that were last seen longest ago go first. */
  readonly most?: number;
  /** Rows that get a line in the log between two summaries. */
  readonly linesPerSummary?: number;
}

const NAME_CHARACTERS = 100;

/** What was refused lately, in bounded memory, and which of it deserves a line in the log. */
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

  /** @returns whether to log it now: the first of its kind, unless there were many others already */
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

  /** What `record` did not want logged since the last call; null when there was nothing. */
  summary(): RefusalSummary | null {
    const { count, addresses, byReason } = this.unsaid;
    this.unsaid = nothing();
    this.lines = 0;
    return count === 0 ? null : { count, addresses: addresses.size, byReason };
  }

  /** The latest first. */
  snapshot(): LoginFailure[] {
    return [...this.rows.values()].reverse();
  }

  /** Since the start. */
  total(reason: Refusal): number {
    return this.totals.get(reason) ?? 0;
  }
}

function nothing(): { count: number; addresses: Set<string>; byReason: Partial<Record<Refusal, number>> } {
  return { count: 0, addresses: new Set(), byReason: {} };
}
