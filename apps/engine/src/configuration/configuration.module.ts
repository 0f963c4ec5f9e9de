import { type BeforeApplicationShutdown, Module } from '@nestjs/common';
import { ConfigurationStore, type Incarnation, RevertStore } from '@millrace/database';
import { ConfigurationStanding, ME } from '@millrace/master';
import { CONFIGURATION_SOURCE, FIRST_CONFIGURATION, RunnerModule } from '../runner/runner.module.js';
import { RunnerPool } from '../runner/runner.js';
import { WorkerTokens } from '../workers/tokens.js';
import { EngineConfiguration } from './engine-configuration.js';
import type { ConfigurationSource } from './load.js';
import type { LoadedConfiguration } from './revision.js';

/** The configuration in force, and the tokens that decide which workers its templates have. */
@Module({
  imports: [RunnerModule],
  providers: [
    WorkerTokens,
    {
      provide: EngineConfiguration,
      useFactory: (
        loaded: LoadedConfiguration,
        store: ConfigurationStore,
        me: Incarnation,
        pool: RunnerPool,
        tokens: WorkerTokens,
        source: ConfigurationSource,
        reverts: RevertStore,
        standing: ConfigurationStanding,
      ) => EngineConfiguration.inForce(loaded, { store, me, pool, tokens, source, reverts, standing }),
      inject: [
        ...[FIRST_CONFIGURATION, ConfigurationStore, ME, RunnerPool, WorkerTokens],
        ...[CONFIGURATION_SOURCE, RevertStore, ConfigurationStanding],
      ],
    },
  ],
  exports: [EngineConfiguration],
})
export class ConfigurationModule implements BeforeApplicationShutdown {
  constructor(private readonly configuration: EngineConfiguration) {}

  beforeApplicationShutdown(): Promise<void> {
    return this.configuration.close();
  }
}
