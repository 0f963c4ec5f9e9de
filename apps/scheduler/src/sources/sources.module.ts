import { Module } from '@nestjs/common';
import { GitModule } from '../git/git.module.js';
import { PullRequestsModule } from '../pull-requests/pull-requests.module.js';
import { ChangeSources } from './change-sources.js';
import { SourceReportsModule } from './source-reports.module.js';

/** Polls the change sources. */
@Module({
  imports: [SourceReportsModule, GitModule, PullRequestsModule],
  providers: [ChangeSources],
  exports: [ChangeSources],
})
export class SourcesModule {}
