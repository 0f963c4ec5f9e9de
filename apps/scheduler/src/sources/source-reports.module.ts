import { Module } from '@nestjs/common';
import { PollerPorts } from './poller-ports.js';
import { SourceReports } from './source-reports.js';

@Module({ providers: [PollerPorts, SourceReports], exports: [PollerPorts, SourceReports] })
export class SourceReportsModule {}
