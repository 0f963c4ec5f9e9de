import { Inject, Injectable } from '@nestjs/common';
import { HookDeliveryStore, type Incarnation, OwnershipStore } from '@millrace/database';
import { Hints, Lease, LOG, type Logger, Loop, ME, type SchedulerSettings, SETTINGS, VERSION } from '@millrace/master';
import type { Revision } from '../configuration/revision.js';
import { callbackCaller } from '../schedulers/judge.js';
import { HookRunner } from './hook-runner.js';

const DROP_EVERY_MS = 600_000;

/** The hooks of a revision, each with a runner of its own, and the end of what they keep. */
@Injectable()
export class Hooks {
  private runners: HookRunner[] = [];
  private dropping: Loop | null = null;

  constructor(
    private readonly ownerships: OwnershipStore,
    private readonly deliveries: HookDeliveryStore,
    private readonly hints: Hints,
    private readonly lease: Lease,
    @Inject(ME) private readonly me: Incarnation,
    @Inject(LOG) private readonly log: Logger,
    @Inject(SETTINGS) private readonly settings: SchedulerSettings,
  ) {}

  begin({ host, config }: Revision): void {
    const { ownerships, deliveries, hints, lease, me, log } = this;
    const ports = { ownerships, deliveries, hints, lease, me, log };
    const call = callbackCaller(host, log);
    const readBy = `${VERSION} ${host.fingerprint.slice(0, 12)}`;
    const everyMs = this.settings.pollIntervalMs;
    const { codebases = [] } = config;
    this.runners = config.hooks.map((hook) => new HookRunner({ hook, codebases, call, readBy, everyMs }, ports));
    this.dropping = new Loop({
      name: 'hook-bodies',
      everyMs: DROP_EVERY_MS,
      round: async (signal) => {
        while (!signal.aborted && (await deliveries.dropBodies()) > 0);
      },
      log,
    });
    for (const runner of this.runners) runner.start();
    this.dropping.start();
  }

  /** Stops and waits for the current rounds. A delivery that is not settled will be read again. */
  async stop(): Promise<void> {
    await Promise.all([...this.runners.map((runner) => runner.stop()), this.dropping?.stop()]);
  }
}
