/** CPU time that a turn of a step's loop may take. A thread that only waits for a core needs less for what it has to do. */
const BUSY_CPU_MS = 100;

/** A thread that has not shown for some time that its loop turns. */
export interface StandingStill {
  /** When it last did. */
  readonly sinceMs: number;
  /** CPU time that the thread has used so far. */
  readonly cpuMs: number;
}

/**
 * Tells a thread that keeps a core busy from one that waits for a core, which looks the same from its loop: only the first uses CPU time
 * meanwhile.
 */
export class Busyness {
  private first: StandingStill | null = null;

  /** Returns whether the thread keeps a core busy. To be asked again and again while it stands still. */
  isBusy(seen: StandingStill): boolean {
    if (this.first?.sinceMs !== seen.sinceMs) this.first = seen;
    return seen.cpuMs - this.first.cpuMs >= BUSY_CPU_MS;
  }
}
