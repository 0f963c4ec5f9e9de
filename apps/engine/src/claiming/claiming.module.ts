import { Module } from '@nestjs/common';
import { Journal } from '@millrace/database';
import { MASTER, type Master } from '@millrace/master';
import { BuildsModule } from '../builds/builds.module.js';
import { RunningBuilds } from '../builds/running-builds.js';
import { ConfigurationModule } from '../configuration/configuration.module.js';
import { EngineConfiguration } from '../configuration/engine-configuration.js';
import { WorkerSessions } from '../workers/sessions.js';
import { WorkersModule } from '../workers/workers.module.js';
import { Distributor } from './distributor.js';
import { Reaper } from './reaper.js';

/** Who builds what: requests are claimed for free workers, and what nobody works on any more is given back. */
@Module({
  imports: [BuildsModule, ConfigurationModule, WorkersModule],
  providers: [
    {
      provide: Distributor,
      useFactory: (
        master: Master<'engine'>,
        journal: Journal,
        configuration: EngineConfiguration,
        sessions: WorkerSessions,
        builds: RunningBuilds,
      ) =>
        new Distributor({
          db: master.db,
          hints: master.hints,
          log: master.log,
          journal,
          assignments: () => configuration.current,
          workers: () => sessions.attached.values(),
          begin: (build, worker, fingerprint) => builds.begin(build, worker, fingerprint),
        }),
      inject: [MASTER, Journal, EngineConfiguration, WorkerSessions, RunningBuilds],
    },
    {
      provide: Reaper,
      useFactory: ({ db, me, hints, log, settings, mayTakeOver }: Master<'engine'>, builds: RunningBuilds) =>
        new Reaper({ db, me, hints, log, resumeWaitMs: settings.resumeWaitMs, mayTakeOver, builds }),
      inject: [MASTER, RunningBuilds],
    },
  ],
  exports: [Distributor, Reaper],
})
export class ClaimingModule {}
