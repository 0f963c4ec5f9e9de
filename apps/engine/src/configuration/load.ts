import { ConfigHost } from '@millrace/config';
import type { CompiledConfig } from '@millrace/contracts';
import type { LoadedConfiguration } from './revision.js';

/**
 * Loads and checks the configuration.
 * @throws ConfigError when it is bad
 */
export async function loadConfiguration(configFile: string): Promise<LoadedConfiguration> {
  const host = await ConfigHost.start(configFile);
  const { revision: config, fingerprint, snapshot, variables, workerDigests } = host;
  const loaded = { configFile, fingerprint, snapshot, variables, workerDigests, config };
  if (hasChoices(config)) return { ...loaded, callbacks: host };
  // All other callbacks of an engine run in its runners.
  await host.close();
  return { ...loaded, callbacks: null };
}

/** Whether callbacks have a say in who builds what. */
function hasChoices({ builders, prioritizeBuilders }: CompiledConfig): boolean {
  return prioritizeBuilders !== undefined || builders.some(({ choices }) => choices !== undefined);
}
