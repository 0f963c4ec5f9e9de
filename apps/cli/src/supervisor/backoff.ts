/** Decides when to restart a process that has ended. Pure. */
export class Backoff {
  private failures = 0;

  constructor(
    private readonly firstMs = 250,
    private readonly maxMs = 10_000,
    /** A process that ran for this long counts as well started. */
    private readonly stableMs = 20_000,
  ) {}

  /** @returns how long to wait before the next start, given how long the process ran */
  ended(ranMs: number): number {
    this.failures = ranMs >= this.stableMs ? 1 : this.failures + 1;
    return Math.min(this.firstMs * 2 ** (this.failures - 1), this.maxMs);
  }
}
