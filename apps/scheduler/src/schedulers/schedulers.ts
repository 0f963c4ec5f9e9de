import { Inject, Injectable } from '@nestjs/common';
import { schedulerKind } from '@millrace/config';
import {
  FinishedBuildsetStore,
  type Incarnation,
  IntakeStore,
  OwnershipStore,
  SchedulerStore,
} from '@millrace/database';
import { Hints, Lease, LOG, type Logger, ME, type SchedulerSettings, SETTINGS } from '@millrace/master';
import type { Revision } from '../configuration/revision.js';
import { ConfigJudge } from './judge.js';
import { isTold, SchedulerRunner } from './scheduler-runner.js';

/** The schedulers of a revision that react to causes, each with a runner of its own. */
@Injectable()
export class Schedulers {
  private runners: SchedulerRunner[] = [];

  constructor(
    private readonly ownerships: OwnershipStore,
    private readonly schedulers: SchedulerStore,
    private readonly intake: IntakeStore,
    private readonly finishedBuildsets: FinishedBuildsetStore,
    private readonly hints: Hints,
    private readonly lease: Lease,
    @Inject(ME) private readonly me: Incarnation,
    @Inject(LOG) private readonly log: Logger,
    @Inject(SETTINGS) private readonly settings: SchedulerSettings,
  ) {}

  begin({ host, config, ids }: Revision): void {
    const { ownerships, schedulers, intake, finishedBuildsets, hints, lease, me, log } = this;
    const ports = { ownerships, schedulers, intake, finishedBuildsets, hints, lease, me, log };
    const judge = new ConfigJudge(host, log);
    const everyMs = this.settings.pollIntervalMs;
    this.runners = config.schedulers
      .map((scheduler) => ({ scheduler, kind: schedulerKind(scheduler.kind) }))
      .filter(({ kind }) => isTold(kind))
      .map((one) => new SchedulerRunner({ ...one, builderIds: ids.builders, judge, everyMs }, ports));
    for (const runner of this.runners) runner.start();
  }

  /** Stops and waits for the current rounds. What they have not committed will be done again. */
  async stop(): Promise<void> {
    await Promise.all(this.runners.map((runner) => runner.stop()));
  }
}
