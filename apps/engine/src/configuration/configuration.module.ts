import { type BeforeApplicationShutdown, Module } from '@nestjs/common';
import { ConfigurationStore, type Incarnation } from '@millrace/database';
import { ME } from '@millrace/master';
import { FIRST_CONFIGURATION, RunnerModule } from '../runner/runner.module.js';
import { RunnerPool } from '../runner/runner.js';
import { WorkerTokens } from '../workers/tokens.js';
import { EngineConfiguration } from './engine-configuration.js';
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
      ) => EngineConfiguration.inForce(loaded, { store, me, pool, tokens }),
      inject: [FIRST_CONFIGURATION, ConfigurationStore, ME, RunnerPool, WorkerTokens],
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
