/** How much of one worker's output may wait to be stored: it is not read from above `high` until it is below `low`. */
interface Marks {
  readonly high: number;
  readonly low: number;
}

const ALONE: Marks = { high: 8 << 20, low: 2 << 20 };
/** When many workers flood at once while the database stands still, there is little for each. */
const CROWDED: Marks = { high: 256 << 10, low: 64 << 10 };
const CROWDED_FROM_BYTES = 256 << 20;

/** Decides whom to read from, so that what is received and not stored yet stays bounded (I8), whatever workers send and however many. */
export class BackPressure {
  private totalBytes = 0;

  /** One worker's share. @returns what to do when its unacknowledged bytes have changed */
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
