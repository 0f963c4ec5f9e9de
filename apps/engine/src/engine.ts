import {
  Inject,
  Injectable,
  type OnApplicationBootstrap,
  type OnModuleDestroy,
  type OnModuleInit,
} from '@nestjs/common';
import { hints } from '@millrace/contracts';
import { LockStore } from '@millrace/database';
import { type EngineSettings, Hints, LOG, type Logger, Loop, OnCommand, SETTINGS } from '@millrace/master';
import { EngineSignals } from './builds/engine-signals.js';
import { RunningBuilds } from './builds/running-builds.js';
import { Distributor } from './claiming/distributor.js';
import { Reaper } from './claiming/reaper.js';
import { EngineConfiguration } from './configuration/engine-configuration.js';
import type { AttachedWorker } from './workers/attached-worker.js';
import { WorkerListener } from './workers/listener.js';
import { WorkerSessions } from './workers/sessions.js';

/** Interval of deleting what is left of locks. It does not count in the meantime. */
const SWEEP_EVERY_MS = 600_000;

/** The repeated duties of an engine, by poll and on hints (I1), and commands to the engine as a whole. */
@Injectable()
export class Engine implements OnModuleInit, OnApplicationBootstrap, OnModuleDestroy {
  private readonly loop: Loop;
  private refreshAllAt = 0;
  private sweepAt = 0;

  constructor(
    private readonly configuration: EngineConfiguration,
    private readonly listener: WorkerListener,
    private readonly sessions: WorkerSessions,
    private readonly builds: RunningBuilds,
    private readonly distributor: Distributor<AttachedWorker>,
    private readonly reaper: Reaper,
    private readonly locks: LockStore,
    private readonly signals: EngineSignals,
    private readonly hints: Hints,
    @Inject(SETTINGS) private readonly settings: EngineSettings,
    @Inject(LOG) log: Logger,
  ) {
    this.loop = new Loop({ name: 'engine', everyMs: settings.pollIntervalMs, log, round: () => this.round() });
  }

  onModuleInit(): void {
    this.signals.slotFreed.subscribe(() => this.distributor.assign());
    this.signals.workersChanged.subscribe(() => this.loop.nudge());
    this.hints.subscribe(hints.workerTokens().topic, () => this.loop.nudge());
  }

  onApplicationBootstrap(): void {
    this.loop.start();
  }

  /** Takes no new work. Running work ends in its own modules. */
  async onModuleDestroy(): Promise<void> {
    await this.distributor.stop();
    await this.loop.stop();
  }

  @OnCommand('reconfig')
  async reload(): Promise<string> {
    this.listener.reload();
    const fingerprint = await this.configuration.reload();
    this.sessions.reconfigured();
    this.loop.nudge();
    return `revision ${fingerprint.slice(0, 12)}`;
  }

  /**
   * Drains: claims nothing more, disconnects every worker as soon as it has no build here, and resolves when the last build has ended. New
   * workers are sent to other engines.
   */
  @OnCommand('drain')
  async drain(): Promise<void> {
    await this.distributor.stop();
    this.listener.refuseNew();
    this.listener.letGo();
    await this.builds.allEnded(() => this.listener.letGo());
  }

  private async round(): Promise<void> {
    // A duty that fails does not keep the others from their turn.
    const duties = [
      () => this.refreshTokens(),
      () => this.refreshWorkers(),
      () => this.reaper.round(),
      () => this.distributor.poll(),
      () => this.sweepLocks(),
    ];
    const failures: unknown[] = [];
    for (const duty of duties) await duty().catch((error: unknown) => failures.push(error));
    if (failures.length > 0) throw failures[0];
  }

  private async refreshTokens(): Promise<void> {
    if (await this.configuration.refreshTokens()) this.sessions.reconfigured();
  }

  private async sweepLocks(): Promise<void> {
    if (performance.now() < this.sweepAt) return;
    await this.locks.sweep();
    this.sweepAt = performance.now() + SWEEP_EVERY_MS;
  }

  /** Reads workers' rows. A hint names the row to read at once; all rows are read no more often than polling requires. */
  private async refreshWorkers(): Promise<void> {
    if (performance.now() < this.refreshAllAt) return;
    this.refreshAllAt = performance.now() + this.settings.pollIntervalMs * 0.8;
    await this.sessions.refresh();
  }
}
