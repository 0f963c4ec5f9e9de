import { hints } from '@millrace/contracts';
import { FleetStore, WorkerStore } from '@millrace/database';
import { Loop, type Master } from '@millrace/master';
import { Counter, Gauge } from 'prom-client';
import { isMissing } from '../core/missing-workers.js';

const SEEN_EVERY_MS = 60_000;

/** Looks after workers over time: notes that ours are still there, and raises the alarm for those that nobody has (I11). */
export class FleetWatch {
  private readonly loop: Loop;
  private readonly fleet: FleetStore;
  private readonly workers: WorkerStore;
  private readonly alarms: Counter;
  private readonly startedAt = performance.now();
  private seenAt = performance.now();
  private missing = 0;

  constructor(
    private readonly master: Master<'engine'>,
    private readonly countAttached: () => number,
  ) {
    this.fleet = new FleetStore(master.db);
    this.workers = new WorkerStore(master.db);
    this.loop = new Loop({
      name: 'fleet',
      everyMs: master.settings.pollIntervalMs,
      log: master.log,
      round: () => this.round(),
    });
    const registers = [master.metrics];
    this.alarms = new Counter({
      name: 'millrace_worker_missing_alarms_total',
      help: 'Alarms for missing workers that this engine raised',
      registers,
    });
    const current = (): number => this.missing;
    new Gauge({
      name: 'millrace_workers_missing',
      help: 'Workers of the whole cluster that have been away for longer than their missingTimeout',
      registers,
      collect() {
        this.set(current());
      },
    });
  }

  start(): void {
    this.loop.start();
  }

  stop(): Promise<void> {
    return this.loop.stop();
  }

  private async round(): Promise<void> {
    const now = performance.now();
    if (now - this.seenAt >= SEEN_EVERY_MS) {
      this.seenAt = now;
      if (this.countAttached() > 0) await this.workers.seen(this.master.me);
    }
    // After an outage of the database every other engine looks dead, and its workers absent.
    if (this.master.mayTakeOver()) await this.raiseAlarms(now - this.startedAt);
    this.missing = await this.fleet.countMissing();
  }

  private async raiseAlarms(engineUpMs: number): Promise<void> {
    for (const worker of await this.fleet.absent()) {
      if (!isMissing(worker, engineUpMs) || !(await this.fleet.miss(worker))) continue;
      this.alarms.inc();
      this.master.log.warn(
        {
          code: 'worker-missing',
          worker: worker.name,
          absentForMs: worker.absentForMs,
          missingTimeoutMs: worker.missingTimeoutMs,
        },
        'a worker has been away for too long',
      );
      this.master.hints.publish(hints.worker(worker.workerId, 'missing'));
    }
  }
}
