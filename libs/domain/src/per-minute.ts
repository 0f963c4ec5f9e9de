const MINUTE_MS = 60_000;

/** Lets so many events a minute through, such as lines of a log that strangers can cause, and counts the others. */
export class PerMinute {
  private startedAtMs = -Infinity;
  private passed = 0;
  private held = 0;

  constructor(private readonly most: number) {}

  /**
   * @param nowMs of a clock that never goes back
   * @returns null: this one is held back; otherwise how many were since the last that passed
   */
  pass(nowMs: number): number | null {
    if (nowMs - this.startedAtMs >= MINUTE_MS) {
      this.startedAtMs = nowMs;
      this.passed = 0;
    }
    if (this.passed >= this.most) {
      this.held++;
      return null;
    }
    this.passed++;
    const { held } = this;
    this.held = 0;
    return held;
  }
}
