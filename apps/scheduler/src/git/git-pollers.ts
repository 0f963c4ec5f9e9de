import { join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import type { CompiledGitSource } from '@millrace/contracts';
import { type Incarnation, IntakeStore, OwnershipStore } from '@millrace/database';
import { Hints, Lease, LOG, type Logger, ME, type SchedulerSettings, SETTINGS } from '@millrace/master';
import type { Revision } from '../configuration/revision.js';
import { createLimit, type Limit } from '../core/limit.js';
import { GitPoller } from './poller.js';
import { GitRepository } from './repository.js';
import { SourceReports } from '../sources/source-reports.js';

/** Most repositories fetched at the same time. */
const CONCURRENT_POLLS = 4;
const CALLBACK_TIMEOUT_MS = 60_000;

/** Makes the pollers of Git repositories. */
@Injectable()
export class GitPollers {
  private readonly limit = createLimit(CONCURRENT_POLLS);
  /** Limits by address: work in a mirror goes through the limit of its address. */
  private readonly mirrors = new Map<string, Limit>();

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

  poller(source: CompiledGitSource, { host }: Revision): GitPoller {
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
