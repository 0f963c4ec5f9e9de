import { loadInForce, type LoadInForceOptions } from '@millrace/config';
import type { CompiledConfig } from '@millrace/contracts';
import type { LoadedConfiguration } from './revision.js';

/** Where an engine has its configuration from. */
export interface ConfigurationSource {
  readonly file: string;
  readonly options: LoadInForceOptions;
}

/**
 * Loads and checks the configuration: that of the file, or the earlier revision that is to be in force in its place.
 * @throws ConfigError when it is bad
 */
export async function loadConfiguration({ file, options }: ConfigurationSource): Promise<LoadedConfiguration> {
  const { host, fileFingerprint, missing } = await loadInForce(file, options);
  const { revision: config, fingerprint, snapshot, variables, workerDigests } = host;
  const loaded = {
    ...{ configFile: file, fingerprint, fileFingerprint, missing, snapshot, variables, workerDigests, config },
  };
  if (hasChoices(config)) return { ...loaded, callbacks: host };
  // All other callbacks of an engine run in its runners.
  await host.close();
  return { ...loaded, callbacks: null };
}

/** Whether callbacks have a say in who builds what. */
function hasChoices({ builders, prioritizeBuilders }: CompiledConfig): boolean {
  return prioritizeBuilders !== undefined || builders.some(({ choices }) => choices !== undefined);
}
