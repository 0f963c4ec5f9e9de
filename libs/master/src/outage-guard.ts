/**
 * After a database outage every lease looks expired, though its holder only could not renew it. So nobody takes over from another
 * master before it has seen one whole lease period of working polls (design §5). Pure; times are any monotonic milliseconds.
 */
export class OutageGuard {
  private workingSinceMs: number | null = null;

  constructor(private readonly leaseMs: number) {}

  worked(nowMs: number): void {
    this.workingSinceMs ??= nowMs;
  }

  failed(): void {
    this.workingSinceMs = null;
  }

  mayTakeOver(nowMs: number): boolean {
    return this.workingSinceMs !== null && nowMs - this.workingSinceMs >= this.leaseMs;
  }
}
