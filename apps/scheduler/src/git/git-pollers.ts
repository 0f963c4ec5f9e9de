import { join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import type { ConfigHost } from '@millrace/config';
import type { CompiledGitSource, RefSelection } from '@millrace/contracts';
import { compilePattern } from '@millrace/domain';
import { type SchedulerSettings, SETTINGS } from '@millrace/master';
import type { Revision } from '../configuration/revision.js';
import { createLimit, type Limit } from '../core/limit.js';
import { GitPoller, type RefChooser } from './poller.js';
import { GitRepository } from './repository.js';
import { PollerPorts } from '../sources/poller-ports.js';
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
    private readonly ports: PollerPorts,
    private readonly reports: SourceReports,
    @Inject(SETTINGS) private readonly settings: SchedulerSettings,
  ) {}

  poller(source: CompiledGitSource, { host }: Revision): GitPoller {
    return new GitPoller(
      {
        source,
        chooseBranch: chooserOf(source.branches, host),
        chooseTag: source.tags === undefined ? null : chooserOf(source.tags, host),
        limit: this.limit,
        repository: new GitRepository({
          url: source.repository,
          mirrors: join(this.settings.dataFolder, 'git'),
          exclusive: this.exclusive(source.repository),
          name: source.name,
          access: host.gitAccesses.get(source.name) ?? null,
        }),
        report: this.reports.of(source.name),
      },
      this.ports,
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

/** Returns what says which branches or tags are watched; null for none. */
function chooserOf(selection: RefSelection, host: ConfigHost): RefChooser | null {
  if (selection === 'all') return () => true;
  if ('handle' in selection) {
    const { handle } = selection;
    return async (name) => Boolean(await host.call(handle, [name], { timeoutMs: CALLBACK_TIMEOUT_MS }));
  }
  if ('pattern' in selection) {
    const pattern = compilePattern(selection.pattern, selection.flags);
    return (name) => pattern.test(name);
  }
  const names = new Set(selection);
  return names.size === 0 ? null : (name) => names.has(name);
}
