import { Injectable } from '@nestjs/common';
import { pullRequestForge } from '@millrace/config';
import type { CompiledPullRequestSource } from '@millrace/contracts';
import type { Revision } from '../configuration/revision.js';
import { callbackCaller } from '../schedulers/judge.js';
import { PollerPorts } from '../sources/poller-ports.js';
import { SourceReports } from '../sources/source-reports.js';
import { ForgeApi } from './forge-api.js';
import { PullRequestPoller } from './poller.js';

/** Makes the pollers of pull requests. */
@Injectable()
export class PullRequestPollers {
  constructor(
    private readonly ports: PollerPorts,
    private readonly reports: SourceReports,
  ) {}

  poller(source: CompiledPullRequestSource, { host }: Revision): PullRequestPoller {
    const forge = pullRequestForge(source.kind);
    // The configuration names the variable, and could not be loaded if it were not set.
    const token = source.tokenEnv === null ? null : (process.env[source.tokenEnv] ?? null);
    return new PullRequestPoller(
      {
        source,
        forge,
        api: new ForgeApi(forge.headers(token)),
        call: callbackCaller(host, this.ports.log),
        report: this.reports.of(source.name),
      },
      this.ports,
    );
  }
}
