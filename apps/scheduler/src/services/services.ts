import { Inject, Injectable } from '@nestjs/common';
import { serviceKind } from '@millrace/config';
import { BuildActionStore, type Incarnation, IntakeStore, OwnershipStore, ServiceStore } from '@millrace/database';
import { Hints, Lease, LOG, type Logger, ME, type SchedulerSettings, SETTINGS } from '@millrace/master';
import type { Revision } from '../configuration/revision.js';
import { callbackCaller } from '../schedulers/judge.js';
import { ServiceRunner } from './service-runner.js';

/** The services of a revision, each with a runner of its own. */
@Injectable()
export class Services {
  private runners: ServiceRunner[] = [];

  constructor(
    private readonly ownerships: OwnershipStore,
    private readonly services: ServiceStore,
    private readonly intake: IntakeStore,
    private readonly actions: BuildActionStore,
    private readonly hints: Hints,
    private readonly lease: Lease,
    @Inject(ME) private readonly me: Incarnation,
    @Inject(LOG) private readonly log: Logger,
    @Inject(SETTINGS) private readonly settings: SchedulerSettings,
  ) {}

  begin({ host, config, ids }: Revision): void {
    const { ownerships, services, intake, actions, hints, lease, me, log } = this;
    const ports = { ownerships, services, intake, actions, hints, lease, me, log };
    const call = callbackCaller(host, log);
    const common = { builderIds: ids.builders, call, everyMs: this.settings.pollIntervalMs };
    this.runners = (config.services ?? []).map(
      (service) => new ServiceRunner({ ...common, service, kind: serviceKind(service.kind) }, ports),
    );
    for (const runner of this.runners) runner.start();
  }

  /** Stops and waits for the current rounds. What they have not finished will be done again. */
  async stop(): Promise<void> {
    await Promise.all(this.runners.map((runner) => runner.stop()));
  }
}
