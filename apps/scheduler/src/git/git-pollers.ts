import { join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import type { CompiledChangeSource } from '@millrace/contracts';
import { type Incarnation, IntakeStore, OwnershipStore } from '@millrace/database';
import { Hints, Lease, LOG, type Logger, Loop, ME, type SchedulerSettings, SETTINGS } from '@millrace/master';
import type { Revision } from '../configuration/revision.js';
import { createLimit } from '../core/limit.js';
import { GitPoller } from './poller.js';

/** Repositories that are fetched at the same time. */
const CONCURRENT_POLLS = 4;
const CALLBACK_TIMEOUT_MS = 60_000;

/** The pollers of a revision's change sources, each a loop of its own. */
@Injectable()
export class GitPollers {
  private readonly limit = createLimit(CONCURRENT_POLLS);
  private loops: Loop[] = [];

  constructor(
    private readonly ownerships: OwnershipStore,
    private readonly intake: IntakeStore,
    private readonly hints: Hints,
    private readonly lease: Lease,
    @Inject(ME) private readonly me: Incarnation,
    @Inject(LOG) private readonly log: Logger,
    @Inject(SETTINGS) private readonly settings: SchedulerSettings,
  ) {}

  begin(revision: Revision): void {
    this.loops = revision.config.changeSources.map((source) => {
      const poller = this.poller(source, revision);
      const round = (signal: AbortSignal) => poller.poll(signal);
      return new Loop({ name: `poller:${source.name}`, everyMs: source.pollIntervalMs, round, log: this.log });
    });
    for (const loop of this.loops) loop.start();
  }

  /** Waits for the polls under way, which are cut short. */
  async stop(): Promise<void> {
    await Promise.all(this.loops.map((loop) => loop.stop()));
  }

  private poller(source: CompiledChangeSource, { host }: Revision): GitPoller {
    const { ownerships, intake, hints, lease, me, log, limit } = this;
    const { branches } = source;
    const handle = typeof branches === 'object' && 'handle' in branches ? branches.handle : null;
    return new GitPoller(
      {
        source,
        choose: async (branch) =>
          handle === null || Boolean(await host.call(handle, [branch], { timeoutMs: CALLBACK_TIMEOUT_MS })),
        limit,
        mirrors: join(this.settings.dataFolder, 'git'),
        credentials: host.credentials.get(source.name) ?? null,
      },
      { ownerships, intake, hints, lease, me, log },
    );
  }
}
