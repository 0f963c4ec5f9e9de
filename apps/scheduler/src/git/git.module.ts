import { Module } from '@nestjs/common';
import { SourceReportsModule } from '../sources/source-reports.module.js';
import { GitPollers } from './git-pollers.js';

/** Polls Git repositories for changes. */
@Module({ imports: [SourceReportsModule], providers: [GitPollers], exports: [GitPollers] })
export class GitModule {}
