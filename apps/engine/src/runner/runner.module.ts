import { type BeforeApplicationShutdown, Module } from '@nestjs/common';
import { configFileOf, type EngineSettings, LOG, type Logger, SETTINGS } from '@millrace/master';
import { loadConfiguration } from '../configuration/load.js';
import type { LoadedConfiguration } from '../configuration/revision.js';
import { type RunnerLog, RunnerPool } from './runner.js';

/** `LoadedConfiguration`: the configuration file at the start of the process. */
export const FIRST_CONFIGURATION = Symbol('FIRST_CONFIGURATION');

/** The runner process and its threads, warm for the first configuration. */
@Module({
  providers: [
    {
      provide: FIRST_CONFIGURATION,
      useFactory: (settings: EngineSettings) => loadConfiguration(configFileOf(settings)),
      inject: [SETTINGS],
    },
    { provide: RunnerPool, useFactory: startPool, inject: [FIRST_CONFIGURATION, SETTINGS, LOG] },
  ],
  exports: [FIRST_CONFIGURATION, RunnerPool],
})
export class RunnerModule implements BeforeApplicationShutdown {
  constructor(private readonly pool: RunnerPool) {}

  beforeApplicationShutdown(): Promise<void> {
    return this.pool.close();
  }
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
