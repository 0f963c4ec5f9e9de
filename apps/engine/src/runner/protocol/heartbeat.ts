import { monotonicMs } from '@millrace/domain';

/** How often a building thread shows that its loop turns. */
export const BEAT_MS = 200;

/**
 * Memory that a thread and its watcher share: when its loop last turned, and how much memory it holds outside of its heap. It is read
 * without a message, so it can be read while the thread does not answer.
 */
export class Heartbeat {
  private readonly cells: Float64Array;

  constructor(readonly memory: SharedArrayBuffer = new SharedArrayBuffer(16)) {
    this.cells = new Float64Array(memory);
  }

  beat(externalBytes: number): void {
    this.cells[0] = monotonicMs();
    this.cells[1] = externalBytes;
  }

  get lastBeatMs(): number {
    return this.cells[0]!;
  }

  /** Milliseconds since the last beat. */
  get ageMs(): number {
    return Math.max(0, monotonicMs() - this.cells[0]!);
  }

  get externalBytes(): number {
    return this.cells[1]!;
  }
}
