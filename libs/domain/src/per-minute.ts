const MINUTE_MS = 60_000;

/** Limits events per minute, such as log lines that strangers can cause, and counts the ones held back. */
export class PerMinute {
  private startedAtMs = -Infinity;
  private passed = 0;
  private held = 0;

  constructor(private readonly most: number) {}

  /**
   * Counts one event.
   * @param nowMs time of a clock that never goes back
   * @returns null when the event is held back; otherwise how many were held back since the last one that passed
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
