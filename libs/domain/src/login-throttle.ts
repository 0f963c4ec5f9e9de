export interface FailureCountOptions {
  /** A key is forgotten after this time without a failure. */
  readonly forgetAfterMs: number;
  /** Most keys. The ones that failed longest ago are forgotten first. */
  readonly most: number;
}

/** Failures in a row of each key, in bounded memory. The caller gives the times. */
export class FailureCount {
  /** Ordered by their last failure. */
  private readonly keys = new Map<string, { readonly count: number; readonly lastAtMs: number }>();

  constructor(private readonly options: FailureCountOptions) {}

  get size(): number {
    return this.keys.size;
  }

  of(key: string, nowMs: number): number {
    const found = this.keys.get(key);
    return found && nowMs - found.lastAtMs < this.options.forgetAfterMs ? found.count : 0;
  }

  failed(key: string, nowMs: number): void {
    const count = this.of(key, nowMs) + 1;
    this.keys.delete(key);
    this.keys.set(key, { count, lastAtMs: nowMs });
    if (this.keys.size > this.options.most) this.keys.delete(this.keys.keys().next().value!);
  }

  forget(key: string): void {
    this.keys.delete(key);
  }
}

const FORGET_AFTER_MS = 30 * 60_000;
/** Failures without a delay: of a name at an address, of an address, of a name from anywhere. */
const FREE = { pair: 5, address: 100, name: 30 } as const;
/**
 * Delay of the right credentials, and of the first wrong ones, when somebody is guessing. It is the same for both, so that a shorter
 * silence does not show that a guess was wrong. Each further wrong answer takes twice as long, up to the maximum.
 */
export const SUSPECT_MS = 1000;
/** Longest delay. It is shorter than workers wait for an answer, so that they learn what is wrong. */
export const MOST_WRONG_MS = 4000;

/**
 * Decides how long the answer to a login is delayed. Credentials are always checked at once, and the right ones are never refused: failures
 * cost only the one who fails. Failures of a name at an address, of an address and of a name are counted; the wider the key, the more of
 * them are free.
 *
 * A guesser needs a second for each guess, at any address, and has as many guesses at a time as an address may have connections that are
 * not logged in (`WaitingRoom`). The right credentials are delayed by that second at most, and not at all at an address where they were
 * accepted before and nobody guesses.
 */
export class LoginThrottle {
  private readonly pairs: FailureCount;
  private readonly addresses: FailureCount;
  private readonly names: FailureCount;
  /** Names that logged in from an address, the latest last. */
  private readonly known = new Set<string>();

  constructor(private readonly most = 10_000) {
    const options = { forgetAfterMs: FORGET_AFTER_MS, most };
    this.pairs = new FailureCount(options);
    this.addresses = new FailureCount(options);
    this.names = new FailureCount(options);
  }

  /**
   * Records the result of a login.
   * @returns how long its answer is delayed
   */
  judged(isRight: boolean, name: string, address: string, nowMs: number): number {
    return isRight ? this.succeeded(name, address, nowMs) : this.failed(name, address, nowMs);
  }

  private failed(name: string, address: string, nowMs: number): number {
    const pair = pairOf(name, address);
    this.pairs.failed(pair, nowMs);
    this.addresses.failed(address, nowMs);
    this.names.failed(name, nowMs);
    const beyond = Math.max(
      this.pairs.of(pair, nowMs) - FREE.pair,
      this.addresses.of(address, nowMs) - FREE.address,
      this.names.of(name, nowMs) - FREE.name,
    );
    if (beyond <= 0) return 0;
    return Math.min(MOST_WRONG_MS, SUSPECT_MS * 2 ** Math.min(beyond - 1, 10));
  }

  private succeeded(name: string, address: string, nowMs: number): number {
    const pair = pairOf(name, address);
    const isSuspect =
      this.pairs.of(pair, nowMs) >= FREE.pair ||
      this.addresses.of(address, nowMs) >= FREE.address ||
      (!this.known.has(pair) && this.names.of(name, nowMs) >= FREE.name);
    this.pairs.forget(pair);
    this.known.delete(pair);
    this.known.add(pair);
    if (this.known.size > this.most) this.known.delete(this.known.keys().next().value!);
    return isSuspect ? SUSPECT_MS : 0;
  }
}

function pairOf(name: string, address: string): string {
  return `${address} ${name}`;
}
