export interface BackoffOptions {
  /** So many failures cost nothing. */
  readonly free: number;
  /** How long the first failure beyond them blocks; each further one doubles it, up to `maxMs`. */
  readonly firstMs: number;
  readonly maxMs: number;
  /** Without a failure for so long the key is forgotten. */
  readonly forgetAfterMs: number;
  /** Keys remembered; those that failed longest ago are forgotten first. */
  readonly most: number;
}

interface Failures {
  readonly count: number;
  readonly lastAtMs: number;
  readonly blockedUntilMs: number;
}

/** Exponential backoff per key, in bounded memory. Times are the caller's. */
export class Backoff {
  /** Ordered by their last failure. */
  private readonly keys = new Map<string, Failures>();

  constructor(private readonly options: BackoffOptions) {}

  get size(): number {
    return this.keys.size;
  }

  /** How long the key is blocked from now on; 0 when it is not. */
  waitMs(key: string, nowMs: number): number {
    return Math.max(0, (this.keys.get(key)?.blockedUntilMs ?? 0) - nowMs);
  }

  failed(key: string, nowMs: number): void {
    const { free, firstMs, maxMs, forgetAfterMs, most } = this.options;
    const earlier = this.keys.get(key);
    const count = earlier && nowMs - earlier.lastAtMs < forgetAfterMs ? earlier.count + 1 : 1;
    const blockMs = count > free ? Math.min(maxMs, firstMs * 2 ** Math.min(count - free - 1, 30)) : 0;
    this.keys.delete(key);
    this.keys.set(key, { count, lastAtMs: nowMs, blockedUntilMs: nowMs + blockMs });
    if (this.keys.size > most) this.keys.delete(this.keys.keys().next().value!);
  }

  forget(key: string): void {
    this.keys.delete(key);
  }
}

const MINUTE_MS = 60_000;

/**
 * When a login may be tried. Failures count for the name at the address, for the address, and for the name, the wider the key the more of
 * them are allowed: one worker with a wrong password does not shut out the others behind the same NAT, and nobody shuts out a worker
 * by failing under its name, because a name that logged in from an address before is only judged by itself there.
 */
export class LoginThrottle {
  private readonly pairs: Backoff;
  private readonly addresses: Backoff;
  private readonly names: Backoff;
  /** Names that logged in from an address, the latest last. */
  private readonly known = new Set<string>();

  constructor(private readonly most = 10_000) {
    const common = { firstMs: 1000, forgetAfterMs: 30 * MINUTE_MS, most };
    this.pairs = new Backoff({ ...common, free: 5, maxMs: MINUTE_MS });
    this.addresses = new Backoff({ ...common, free: 100, maxMs: 5 * MINUTE_MS });
    this.names = new Backoff({ ...common, free: 30, maxMs: 5 * MINUTE_MS });
  }

  /** How long to wait before credentials for that name are looked at; 0: look at them now. */
  waitMs(name: string, address: string, nowMs: number): number {
    const pair = pairOf(name, address);
    const ownMs = this.pairs.waitMs(pair, nowMs);
    if (this.known.has(pair)) return ownMs;
    return Math.max(ownMs, this.addresses.waitMs(address, nowMs), this.names.waitMs(name, nowMs));
  }

  /** Credentials were looked at and wrong. (Those that were not looked at do not count.) */
  failed(name: string, address: string, nowMs: number): void {
    this.pairs.failed(pairOf(name, address), nowMs);
    this.addresses.failed(address, nowMs);
    this.names.failed(name, nowMs);
  }

  succeeded(name: string, address: string): void {
    const pair = pairOf(name, address);
    this.pairs.forget(pair);
    this.known.delete(pair);
    this.known.add(pair);
    if (this.known.size > this.most) this.known.delete(this.known.keys().next().value!);
  }
}

function pairOf(name: string, address: string): string {
  return `${address} ${name}`;
}
