import { Module } from '@nestjs/common';
import { type EngineSettings, LOG, type Logger, SETTINGS, TlsIdentity } from '@millrace/master';
import { BuildsModule } from '../builds/builds.module.js';
import { RunningBuilds } from '../builds/running-builds.js';
import { ConfigurationModule } from '../configuration/configuration.module.js';
import { EngineConfiguration } from '../configuration/engine-configuration.js';
import { LoginThrottle } from '@millrace/domain';
import { connectionLimit, Connections } from './connections.js';
import { Entrance } from './entrance.js';
import { FleetWatch } from './fleet-watch.js';
import { WorkerListener } from './listener.js';
import { ListenerMetrics } from './listener-metrics.js';
import { Login, WorkerDirectory } from './login.js';
import { PbSockets } from './pb-sockets.js';
import { RefusalsController } from './refusals.controller.js';
import { Refusals } from './refusals.js';
import { RelaySockets } from './relay-sockets.js';
import { BuildsOfWorkers, WorkerSessions } from './sessions.js';
import { WORKERS_TLS } from './workers-tls.js';

/** Everything between a worker's socket and its session, for all protocols. */
export const WORKER_PROVIDERS = [
  Entrance,
  ListenerMetrics,
  Login,
  LoginThrottle,
  PbSockets,
  Refusals,
  RelaySockets,
  WorkerListener,
  WorkerSessions,
  {
    provide: Connections,
    useFactory: ({ workerMax, workerLoginsPerAddress }: EngineSettings, refusals: Refusals) =>
      new Connections(connectionLimit(workerMax), workerLoginsPerAddress, (connection) =>
        refusals.refused('displaced', '', connection),
      ),
    inject: [SETTINGS, Refusals],
  },
  {
    provide: WORKERS_TLS,
    useFactory: ({ workerTls: files }: EngineSettings, log: Logger) =>
      files && new TlsIdentity({ files, audience: 'workers', log }),
    inject: [SETTINGS, LOG],
  },
];

/** Workers: their ports, logins and sessions, and the watch over missing ones. */
@Module({
  imports: [ConfigurationModule, BuildsModule],
  controllers: [RefusalsController],
  providers: [
    ...WORKER_PROVIDERS,
    FleetWatch,
    { provide: WorkerDirectory, useExisting: EngineConfiguration },
    { provide: BuildsOfWorkers, useExisting: RunningBuilds },
  ],
  exports: [WorkerListener, WorkerSessions],
})
export class WorkersModule {}
