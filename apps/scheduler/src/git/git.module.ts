import { Module } from '@nestjs/common';
import { GitPollers } from './git-pollers.js';
import { SourceReports } from './source-reports.js';

/** Changes of Git repositories, by polling. */
@Module({ providers: [GitPollers, SourceReports], exports: [GitPollers] })
export class GitModule {}
