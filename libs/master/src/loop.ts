import { messageOf } from '@millrace/domain';
import type { Logger } from './logging.js';

export interface LoopOptions {
  readonly name: string;
  /** Longest time between rounds (with jitter); null to run only when nudged. */
  readonly everyMs: number | null;
  /** Does one round. An error is logged and the next round comes as usual. */
  readonly round: (signal: AbortSignal) => Promise<void>;
  readonly log: Logger;
}

/**
 * Periodic work that runs when nudged and at every tick, never overlapping itself. A nudge during a round causes one more round, so nothing
 * that was committed before the nudge is missed.
 */
export class Loop {
  private readonly stopping = new AbortController();
  private timer: NodeJS.Timeout | null = null;
  private round: Promise<void> | null = null;
  private nudged = false;

  constructor(private readonly options: LoopOptions) {}

  start(): void {
    this.nudge();
  }

  nudge(): void {
    if (this.stopping.signal.aborted) return;
    if (this.round) {
      this.nudged = true;
      return;
    }
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    this.round = this.run().finally(() => {
      this.round = null;
      if (this.nudged) {
        this.nudged = false;
        this.nudge();
      } else this.schedule();
    });
  }

  /** Stops the loop and waits for the current round. */
  async stop(): Promise<void> {
    this.stopping.abort();
    if (this.timer) clearTimeout(this.timer);
    await this.round;
  }

  private async run(): Promise<void> {
    try {
      await this.options.round(this.stopping.signal);
    } catch (error) {
      if (this.stopping.signal.aborted) return;
      this.options.log.warn({ loop: this.options.name, err: error }, `round failed: ${messageOf(error)}`);
    }
  }

  private schedule(): void {
    if (this.options.everyMs === null || this.stopping.signal.aborted) return;
    this.timer = setTimeout(() => this.nudge(), this.options.everyMs * (0.9 + Math.random() * 0.2));
  }
}
