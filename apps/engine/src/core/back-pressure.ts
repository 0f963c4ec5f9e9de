/** Marks for one worker's output that waits to be stored: it is not read from above `high` until it is below `low`. */
interface Marks {
  readonly high: number;
  readonly low: number;
}

const ALONE: Marks = { high: 8 << 20, low: 2 << 20 };
/** Marks when many workers flood at once while the database is stalled: each gets little. */
const CROWDED: Marks = { high: 256 << 10, low: 64 << 10 };
const CROWDED_FROM_BYTES = 256 << 20;

/**
 * Decides which workers are read from, so that the received but unstored output is bounded (I8), whatever workers send and however many
 * there are.
 */
export class BackPressure {
  private totalBytes = 0;

  /** Returns one worker's share: a function that decides what to do when the worker's unacknowledged bytes have changed. */
  share(): (bytes: number, isPaused: boolean) => 'pause' | 'resume' | null {
    let held = 0;
    return (bytes, isPaused) => {
      this.totalBytes += bytes - held;
      held = bytes;
      const { high, low } = this.totalBytes > CROWDED_FROM_BYTES ? CROWDED : ALONE;
      if (bytes > high && !isPaused) return 'pause';
      return bytes < low && isPaused ? 'resume' : null;
    };
  }
}
