/**
 * Decides whether other masters' rows may be taken over. After a database outage every lease looks expired, though its holder merely could
 * not renew it. So no master takes over from another before it has seen one whole lease period of successful polls
 * (`docs/adr/0003-leases-and-epochs.md`). A gap between polls counts as an outage: a master that stood still has not seen whether the
 * others could renew. Pure; times are any monotonic milliseconds.
 */
export class OutageGuard {
  private workingSinceMs: number | null = null;
  private lastWorkedMs = -Infinity;

  constructor(private readonly leaseMs: number) {}

  worked(nowMs: number): void {
    if (this.isGap(nowMs)) this.workingSinceMs = null;
    this.workingSinceMs ??= nowMs;
    this.lastWorkedMs = nowMs;
  }

  failed(): void {
    this.workingSinceMs = null;
  }

  mayTakeOver(nowMs: number): boolean {
    return this.workingSinceMs !== null && !this.isGap(nowMs) && nowMs - this.workingSinceMs >= this.leaseMs;
  }

  /** Leases are renewed five times per lease period. A gap of less than half a period has cost nobody the lease. */
  private isGap(nowMs: number): boolean {
    return nowMs - this.lastWorkedMs > this.leaseMs / 2;
  }
}
