import { Module } from '@nestjs/common';
import { GitPollers } from './git-pollers.js';
import { SourceReports } from './source-reports.js';

/** Polls Git repositories for changes. */
@Module({ providers: [GitPollers, SourceReports], exports: [GitPollers] })
export class GitModule {}
