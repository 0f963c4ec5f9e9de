import { Inject, Injectable } from '@nestjs/common';
import { CollapseQuestionStore, type Incarnation, OwnershipStore } from '@millrace/database';
import { Hints, Lease, LOG, type Logger, ME, type SchedulerSettings, SETTINGS } from '@millrace/master';
import type { Revision } from '../configuration/revision.js';
import { callbackCaller } from '../schedulers/judge.js';
import { CollapseRunner } from './collapse-runner.js';

/** The collapsing of a revision whose builders ask callbacks. Without such builders it does nothing. */
@Injectable()
export class Collapsing {
  private runner: CollapseRunner | null = null;

  constructor(
    private readonly ownerships: OwnershipStore,
    private readonly questions: CollapseQuestionStore,
    private readonly hints: Hints,
    private readonly lease: Lease,
    @Inject(ME) private readonly me: Incarnation,
    @Inject(LOG) private readonly log: Logger,
    @Inject(SETTINGS) private readonly settings: SchedulerSettings,
  ) {}

  begin({ host, config, ids }: Revision): void {
    const { ownerships, questions, hints, lease, me, log } = this;
    const asking = config.builders.filter(({ collapseCallback }) => collapseCallback !== undefined);
    if (asking.length === 0) return;
    const builders = new Map(asking.map((builder) => [ids.builders.get(builder.name)!, builder]));
    const call = callbackCaller(host, log);
    this.runner = new CollapseRunner(
      { builders, call, everyMs: this.settings.pollIntervalMs },
      { ownerships, questions, hints, lease, me, log },
    );
    this.runner.start();
  }

  /** Stops and waits for the current round. What it has not committed will be asked again. */
  async stop(): Promise<void> {
    await this.runner?.stop();
    this.runner = null;
  }
}
