import { Module } from '@nestjs/common';
import { SourceReportsModule } from '../sources/source-reports.module.js';
import { PullRequestPollers } from './pull-request-pollers.js';

/** Asks forges for open pull requests. */
@Module({ imports: [SourceReportsModule], providers: [PullRequestPollers], exports: [PullRequestPollers] })
export class PullRequestsModule {}
