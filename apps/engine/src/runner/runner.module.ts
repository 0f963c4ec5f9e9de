import { join } from 'node:path';
import { type BeforeApplicationShutdown, Module } from '@nestjs/common';
import { KeptRevisions } from '@millrace/config';
import { RevertStore } from '@millrace/database';
import { configFileOf, ConfigurationStanding, type EngineSettings, LOG, type Logger, SETTINGS } from '@millrace/master';
import { type ConfigurationSource, loadConfiguration } from '../configuration/load.js';
import type { LoadedConfiguration } from '../configuration/revision.js';
import { type RunnerLog, RunnerPool } from './runner.js';

/** `LoadedConfiguration`: the configuration at the start of the process. */
export const FIRST_CONFIGURATION = Symbol('FIRST_CONFIGURATION');

/** `ConfigurationSource`: the file, and the copies of earlier revisions. */
export const CONFIGURATION_SOURCE = Symbol('CONFIGURATION_SOURCE');

/** The runner process and its threads, warm for the first configuration. */
@Module({
  providers: [
    ConfigurationStanding,
    {
      provide: CONFIGURATION_SOURCE,
      useFactory: configurationSource,
      inject: [SETTINGS, RevertStore, ConfigurationStanding],
    },
    {
      provide: FIRST_CONFIGURATION,
      useFactory: (source: ConfigurationSource) => loadConfiguration(source),
      inject: [CONFIGURATION_SOURCE],
    },
    { provide: RunnerPool, useFactory: startPool, inject: [FIRST_CONFIGURATION, SETTINGS, LOG] },
  ],
  exports: [CONFIGURATION_SOURCE, ConfigurationStanding, FIRST_CONFIGURATION, RunnerPool],
})
export class RunnerModule implements BeforeApplicationShutdown {
  constructor(private readonly pool: RunnerPool) {}

  beforeApplicationShutdown(): Promise<void> {
    return this.pool.close();
  }
}

function configurationSource(
  settings: EngineSettings,
  reverts: RevertStore,
  standing: ConfigurationStanding,
): ConfigurationSource {
  const file = configFileOf(settings);
  return {
    file,
    options: {
      kept: new KeptRevisions(join(settings.dataFolder, 'revisions'), file),
      inForceFor: (fingerprint) => reverts.inForceFor(fingerprint),
      onNotKept: (error) => standing.notKept(error),
    },
  };
}

async function startPool(
  { configFile, fingerprint, snapshot, variables }: LoadedConfiguration,
  settings: EngineSettings,
  log: Logger,
): Promise<RunnerPool> {
  const pool = new RunnerPool({
    configFile,
    fingerprint,
    snapshot,
    variables,
    threadMemoryMb: settings.runnerMemoryMb,
    log: runnerLog(log),
    onStall: (stall) => log.warn(stall, 'a step keeps its runner thread busy'),
  });
  await pool.start();
  return pool;
}

function runnerLog(parent: Logger): RunnerLog {
  const log = parent.child({ component: 'runner' });
  return {
    info: (message, fields = {}) => log.info(fields, message),
    warn: (message, fields = {}) => log.warn(fields, message),
    error: (message, fields = {}) => log.error(fields, message),
  };
}
