import { Inject, Injectable } from '@nestjs/common';
import type { CompiledChangeSource } from '@millrace/contracts';
import type { Poll } from '@millrace/database';
import { LOG, type Logger, Loop, OnCommand } from '@millrace/master';
import type { Revision } from '../configuration/revision.js';
import { GitPollers } from '../git/git-pollers.js';
import { PullRequestPollers } from '../pull-requests/pull-request-pollers.js';
import { SourceReports } from './source-reports.js';

/** Polls a change source. */
export interface SourcePoller {
  poll(signal: AbortSignal): Promise<void>;
}

/** Makes the pollers of the change sources of one kind. It is given no others. */
interface Maker {
  poller(source: CompiledChangeSource, revision: Revision): SourcePoller;
}

/** The change sources of a revision, each with a loop of its own. */
@Injectable()
export class ChangeSources {
  /** Loops by change source. */
  private loops: ReadonlyMap<string, Loop> = new Map();
  private readonly makers: Readonly<Record<CompiledChangeSource['kind'], Maker>>;

  constructor(
    git: GitPollers,
    pullRequests: PullRequestPollers,
    private readonly reports: SourceReports,
    @Inject(LOG) private readonly log: Logger,
  ) {
    this.makers = { git, 'github-pulls': pullRequests, 'gitlab-merges': pullRequests };
  }

  begin(revision: Revision): void {
    this.loops = new Map(
      revision.config.changeSources.map((source) => {
        const poller = this.makers[source.kind].poller(source, revision);
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
}
