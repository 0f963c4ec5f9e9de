import { OutageGuard } from './outage-guard.js';

/** The main thread's view of this master's lease, which the control thread renews. */
export class Lease {
  private readonly guard: OutageGuard;

  constructor(leaseMs: number) {
    this.guard = new OutageGuard(leaseMs);
  }

  renewed(): void {
    this.guard.worked(performance.now());
  }

  notRenewed(): void {
    this.guard.failed();
  }

  /** The clock that leases are judged by was set forward: those of others look expired, as after an outage. */
  clockSet(): void {
    this.guard.failed();
  }

  /** Whether rows of a master that looks dead may be taken over now (see `OutageGuard`). */
  mayTakeOver(): boolean {
    return this.guard.mayTakeOver(performance.now());
  }
}
