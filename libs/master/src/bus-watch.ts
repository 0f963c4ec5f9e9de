import { type BeforeApplicationShutdown, Inject, Injectable } from '@nestjs/common';
import { Hints } from './hints.js';
import type { Logger } from './logging.js';
import { LOG } from './tokens.js';

/** Shorter absences are not worth a warning: a broker restarts, or starts at the same time as this master. */
const PATIENCE_MS = 5_000;
const REMIND_EVERY_MS = 600_000;

/** Warns as long as the bus is away: everything still works then, but at the pace of the polls. */
@Injectable()
export class BusWatch implements BeforeApplicationShutdown {
  private reminder: NodeJS.Timeout | null = null;
  private hasWarned = false;
  private lostAtMs = performance.now();

  constructor(
    hints: Hints,
    @Inject(LOG) private readonly log: Logger,
  ) {
    if (hints.state === 'connecting') this.lost();
    hints.onState((state) => {
      log.info({ bus: state }, 'bus state');
      if (state === 'connecting') this.lost();
      else this.found();
    });
  }

  beforeApplicationShutdown(): void {
    this.stopReminding();
  }

  private lost(): void {
    if (this.reminder) return;
    this.lostAtMs = performance.now();
    this.remindIn(PATIENCE_MS);
  }

  private found(): void {
    this.stopReminding();
    if (this.hasWarned) this.log.warn({ awayForMs: this.awayForMs }, 'the bus is back');
    this.hasWarned = false;
  }

  private remindIn(ms: number): void {
    this.reminder = setTimeout(() => {
      this.hasWarned = true;
      this.log.warn(
        { code: 'bus-lost', awayForMs: this.awayForMs },
        'the bus is away: hints are lost, and changes are noticed by polling only; see MILLRACE_BUS and the broker',
      );
      this.remindIn(REMIND_EVERY_MS);
    }, ms).unref();
  }

  private stopReminding(): void {
    if (this.reminder) clearTimeout(this.reminder);
    this.reminder = null;
  }

  private get awayForMs(): number {
    return Math.round(performance.now() - this.lostAtMs);
  }
}
