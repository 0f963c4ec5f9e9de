import { Module } from '@nestjs/common';
import { SourceReports } from './source-reports.js';

@Module({ providers: [SourceReports], exports: [SourceReports] })
export class SourceReportsModule {}
