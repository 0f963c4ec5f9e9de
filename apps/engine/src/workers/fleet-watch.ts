import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { hints } from '@millrace/contracts';
import { type AbsentWorker, FleetStore, type Incarnation, WorkerStore } from '@millrace/database';
import { type EngineSettings, Hints, Lease, LOG, type Logger, Loop, ME, SETTINGS } from '@millrace/master';
import { Counter, Gauge, Registry } from 'prom-client';
import { isMissing } from '../core/missing-workers.js';
import { Waits } from '../core/waits.js';
import { WorkerSessions } from './sessions.js';

const SEEN_EVERY_MS = 60_000;

/** Watches workers over time: records that ours are still connected, and raises the alarm for those that no engine has (I11). */
@Injectable()
export class FleetWatch implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly loop: Loop;
  private readonly alarms: Counter;
  private readonly startedAt = performance.now();
  private seenAt = performance.now();
  private missing = 0;
  /** How long workers have waited that no engine has. */
  private readonly waits = new Waits();

  constructor(
    private readonly fleet: FleetStore,
    private readonly workers: WorkerStore,
    private readonly sessions: WorkerSessions,
    private readonly hints: Hints,
    private readonly lease: Lease,
    metrics: Registry,
    @Inject(ME) private readonly me: Incarnation,
    @Inject(LOG) private readonly log: Logger,
    @Inject(SETTINGS) settings: EngineSettings,
  ) {
    this.loop = new Loop({ name: 'fleet', everyMs: settings.pollIntervalMs, log, round: () => this.round() });
    const registers = [metrics];
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

  onApplicationBootstrap(): void {
    this.loop.start();
  }

  onModuleDestroy(): Promise<void> {
    return this.loop.stop();
  }

  private async round(): Promise<void> {
    const now = performance.now();
    if (now - this.seenAt >= SEEN_EVERY_MS) {
      this.seenAt = now;
      if (this.sessions.attached.size > 0) await this.workers.seen(this.me);
    }
    // After an outage of the database every other engine looks dead, and its workers absent.
    if (this.lease.mayTakeOver()) await this.raiseAlarms(now - this.startedAt);
    this.missing = await this.fleet.countMissing();
  }

  private async raiseAlarms(engineUpMs: number): Promise<void> {
    const workers = await this.fleet.absent();
    const waiting = workers.map((worker) => ({ key: keyOf(worker), forMs: worker.absentForMs }));
    const absentMs = this.waits.look(waiting, performance.now());
    for (const worker of workers) {
      const absentForMs = Math.round(absentMs.get(keyOf(worker))!);
      if (!isMissing({ ...worker, absentForMs }, engineUpMs) || !(await this.fleet.miss(worker))) continue;
      this.alarms.inc();
      this.log.warn(
        {
          code: 'worker-missing',
          worker: worker.name,
          absentForMs,
          missingTimeoutMs: worker.missingTimeoutMs,
        },
        'a worker has been away for too long',
      );
      this.hints.publish(hints.worker(worker.workerId, 'missing'));
    }
  }
}

/** Returns the key of an absence. After another session it is another absence. */
function keyOf({ workerId, sessionEpoch }: AbsentWorker): string {
  return `${workerId}/${sessionEpoch}`;
}
