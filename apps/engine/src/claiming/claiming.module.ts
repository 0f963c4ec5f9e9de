import { Module } from '@nestjs/common';
import { ChoiceStore, ClaimStore, type Incarnation, Journal } from '@millrace/database';
import { type EngineSettings, Hints, Lease, LOG, type Logger, ME, SETTINGS } from '@millrace/master';
import { BuildsModule } from '../builds/builds.module.js';
import { RunningBuilds } from '../builds/running-builds.js';
import { ConfigurationModule } from '../configuration/configuration.module.js';
import { EngineConfiguration } from '../configuration/engine-configuration.js';
import type { AttachedWorker } from '../workers/attached-worker.js';
import { WorkerSessions } from '../workers/sessions.js';
import { WorkersModule } from '../workers/workers.module.js';
import { Chooser } from './chooser.js';
import { Distributor } from './distributor.js';
import { Reaper } from './reaper.js';

/** Claims requests for free workers, and gives requests back that nobody works on any more. */
@Module({
  imports: [BuildsModule, ConfigurationModule, WorkersModule],
  providers: [
    {
      provide: Distributor,
      useFactory: (
        store: ClaimStore,
        journal: Journal,
        configuration: EngineConfiguration,
        sessions: WorkerSessions,
        builds: RunningBuilds,
        hints: Hints,
        log: Logger,
        choices: ChoiceStore,
        me: Incarnation,
        { pollIntervalMs }: EngineSettings,
      ) =>
        new Distributor({
          store,
          chooser: new Chooser<AttachedWorker>({ store: choices, me, log }),
          journal,
          hints,
          log,
          pollIntervalMs,
          assignments: () => configuration.current,
          workers: () => sessions.attached.values(),
          begin: (build, worker, fingerprint) => builds.begin(build, worker, fingerprint),
        }),
      inject: [
        ClaimStore,
        Journal,
        EngineConfiguration,
        WorkerSessions,
        RunningBuilds,
        Hints,
        LOG,
        ChoiceStore,
        ME,
        SETTINGS,
      ],
    },
    {
      provide: Reaper,
      useFactory: (
        store: ClaimStore,
        builds: RunningBuilds,
        lease: Lease,
        hints: Hints,
        me: Incarnation,
        log: Logger,
        { resumeWaitMs }: EngineSettings,
      ) => new Reaper({ store, builds, hints, me, log, resumeWaitMs, mayTakeOver: () => lease.mayTakeOver() }),
      inject: [ClaimStore, RunningBuilds, Lease, Hints, ME, LOG, SETTINGS],
    },
  ],
  exports: [Distributor, Reaper],
})
export class ClaimingModule {}
