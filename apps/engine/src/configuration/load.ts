import { ConfigHost } from '@millrace/config';
import type { LoadedConfiguration } from './revision.js';

/**
 * Loads and checks the configuration.
 * @throws ConfigError when it is bad
 */
export async function loadConfiguration(configFile: string): Promise<LoadedConfiguration> {
  // The host is only needed to compile: an engine's callbacks run in its runners.
  const host = await ConfigHost.start(configFile);
  const { revision: config, fingerprint, snapshot, variables, workerDigests } = host;
  await host.close();
  return { configFile, fingerprint, snapshot, variables, workerDigests, config };
}
