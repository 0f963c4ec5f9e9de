import { join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import type { CompiledChangeSource } from '@millrace/contracts';
import { type Incarnation, IntakeStore, type Poll, OwnershipStore } from '@millrace/database';
import {
  Hints,
  Lease,
  LOG,
  type Logger,
  Loop,
  ME,
  OnCommand,
  type SchedulerSettings,
  SETTINGS,
} from '@millrace/master';
import type { Revision } from '../configuration/revision.js';
import { createLimit, type Limit } from '../core/limit.js';
import { GitPoller } from './poller.js';
import { GitRepository } from './repository.js';
import { SourceReports } from './source-reports.js';

/** Most repositories fetched at the same time. */
const CONCURRENT_POLLS = 4;
const CALLBACK_TIMEOUT_MS = 60_000;

/** The pollers of a revision's change sources, each with a loop of its own. */
@Injectable()
export class GitPollers {
  private readonly limit = createLimit(CONCURRENT_POLLS);
  /** Limits by address: work in a mirror goes through the limit of its address. */
  private readonly mirrors = new Map<string, Limit>();
  /** Loops by change source. */
  private loops: ReadonlyMap<string, Loop> = new Map();

  constructor(
    private readonly ownerships: OwnershipStore,
    private readonly intake: IntakeStore,
    private readonly hints: Hints,
    private readonly lease: Lease,
    private readonly reports: SourceReports,
    @Inject(ME) private readonly me: Incarnation,
    @Inject(LOG) private readonly log: Logger,
    @Inject(SETTINGS) private readonly settings: SchedulerSettings,
  ) {}

  begin(revision: Revision): void {
    this.loops = new Map(
      revision.config.changeSources.map((source) => {
        const poller = this.poller(source, revision);
        const round = (signal: AbortSignal) => poller.poll(signal);
        const loop = new Loop({ name: `poller:${source.name}`, everyMs: source.pollIntervalMs, round, log: this.log });
        return [source.name, loop];
      }),
    );
    for (const loop of this.loops.values()) loop.start();
  }

  /** Polls a change source now, because a hook was told that there is something new. */
  @OnCommand('poll')
  async poll({ source }: Poll): Promise<string> {
    const loop = this.loops.get(source);
    if (!loop) return `no change source '${source}' is configured here`;
    loop.nudge();
    return 'polling';
  }

  /** Aborts the current polls and waits for them. */
  async stop(): Promise<void> {
    await Promise.all([...this.loops.values()].map((loop) => loop.stop()));
    this.reports.leave();
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
        repository: new GitRepository({
          url: source.repository,
          mirrors: join(this.settings.dataFolder, 'git'),
          exclusive: this.exclusive(source.repository),
          credentials: host.credentials.get(source.name) ?? null,
        }),
        report: this.reports.of(source.name),
      },
      { ownerships, intake, hints, lease, me, log },
    );
  }

  private exclusive(repository: string): Limit {
    const known = this.mirrors.get(repository);
    if (known) return known;
    const limit = createLimit(1);
    this.mirrors.set(repository, limit);
    return limit;
  }
}
