import { type BeforeApplicationShutdown, Module } from '@nestjs/common';
import { type Database, type Incarnation, Journal } from '@millrace/database';
import { DATABASE, LOG, type Logger, ME } from '@millrace/master';
import { BlobsModule } from '../blobs/blobs.module.js';
import { ConfigurationModule } from '../configuration/configuration.module.js';
import { RunnerModule } from '../runner/runner.module.js';
import { BuildMetrics } from './build-metrics.js';
import { EngineSignals } from './engine-signals.js';
import { RunningBuilds } from './running-builds.js';
import { StepLocks } from './step-locks.js';
import { Triggers } from './triggers.js';

/** The builds of this engine, from claim to end, and the journal that records them. */
@Module({
  imports: [BlobsModule, ConfigurationModule, RunnerModule],
  providers: [
    BuildMetrics,
    EngineSignals,
    RunningBuilds,
    StepLocks,
    Triggers,
    {
      provide: Journal,
      useFactory: (db: Database, me: Incarnation, log: Logger) =>
        new Journal(db, me, (error) => log.warn({ err: error }, `the journal waits: ${error.message}`)),
      inject: [DATABASE, ME, LOG],
    },
  ],
  exports: [EngineSignals, Journal, RunningBuilds],
})
export class BuildsModule implements BeforeApplicationShutdown {
  constructor(private readonly journal: Journal) {}

  /** Closes the journal. Every build has been given back by now. */
  beforeApplicationShutdown(): Promise<void> {
    return this.journal.close();
  }
}
