import { Inject, Injectable } from '@nestjs/common';
import { pullRequestForge } from '@millrace/config';
import type { CompiledPullRequestSource } from '@millrace/contracts';
import { type Incarnation, IntakeStore, OwnershipStore } from '@millrace/database';
import { Hints, Lease, LOG, type Logger, ME } from '@millrace/master';
import type { Revision } from '../configuration/revision.js';
import { callbackCaller } from '../schedulers/judge.js';
import { SourceReports } from '../sources/source-reports.js';
import { ForgeApi } from './forge-api.js';
import { PullRequestPoller } from './poller.js';

/** Makes the pollers of pull requests. */
@Injectable()
export class PullRequestPollers {
  constructor(
    private readonly ownerships: OwnershipStore,
    private readonly intake: IntakeStore,
    private readonly hints: Hints,
    private readonly lease: Lease,
    private readonly reports: SourceReports,
    @Inject(ME) private readonly me: Incarnation,
    @Inject(LOG) private readonly log: Logger,
  ) {}

  poller(source: CompiledPullRequestSource, { host }: Revision): PullRequestPoller {
    const { ownerships, intake, hints, lease, me, log } = this;
    const forge = pullRequestForge(source.kind);
    // The configuration names the variable, and could not be loaded if it were not set.
    const token = source.tokenEnv === null ? null : (process.env[source.tokenEnv] ?? null);
    return new PullRequestPoller(
      {
        source,
        forge,
        api: new ForgeApi(forge.headers(token)),
        call: callbackCaller(host, log),
        report: this.reports.of(source.name),
      },
      { ownerships, intake, hints, lease, me, log },
    );
  }
}
