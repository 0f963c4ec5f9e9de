import { ConfigHost } from '@millrace/config';
import type { ConfigurationStore, Incarnation } from '@millrace/database';
import type { Logger } from '@millrace/master';
import type { Revision } from './revision.js';

export interface ConfigurationPorts {
  readonly file: string;
  readonly store: ConfigurationStore;
  readonly me: Incarnation;
  readonly log: Logger;
}

/** The configuration in force on this master. The caller that puts another one in force closes the old one. */
export class SchedulerConfiguration {
  private constructor(
    private readonly ports: ConfigurationPorts,
    private revision: Revision,
  ) {}

  /**
   * Loads the configuration.
   * @throws ConfigError when the file is bad
   */
  static async inForce(ports: ConfigurationPorts): Promise<SchedulerConfiguration> {
    return new SchedulerConfiguration(ports, await load(ports));
  }

  get current(): Revision {
    return this.revision;
  }

  /**
   * Loads the current file and puts it in force.
   * @returns the configuration that was in force before
   * @throws ConfigError when the file is bad; nothing was changed then
   */
  async reload(): Promise<Revision> {
    const before = this.revision;
    this.revision = await load(this.ports);
    return before;
  }
}

async function load({ file, store, me, log }: ConfigurationPorts): Promise<Revision> {
  const host = await ConfigHost.start(file, {
    onStall: (handle, ms) => log.warn({ handle, ms }, 'a callback of the configuration is slow'),
  });
  const { revision: config, fingerprint } = host;
  try {
    const ids = await store.apply(me, { fingerprint, body: JSON.stringify(config) }, config, { serves: false });
    return { host, config, ids };
  } catch (error) {
    await host.close();
    throw error;
  }
}
