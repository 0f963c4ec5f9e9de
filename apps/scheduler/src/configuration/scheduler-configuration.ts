import { join } from 'node:path';
import { type InForce, KeptRevisions, loadInForce } from '@millrace/config';
import type { ConfigurationStore, Incarnation, RevertStore } from '@millrace/database';
import { OperationalError } from '@millrace/domain';
import type { ConfigurationStanding, Logger } from '@millrace/master';
import type { Revision } from './revision.js';

export interface ConfigurationPorts {
  readonly file: string;
  readonly dataFolder: string;
  readonly store: ConfigurationStore;
  readonly reverts: RevertStore;
  readonly standing: ConfigurationStanding;
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
    return new SchedulerConfiguration(ports, await stored(await load(ports), ports));
  }

  get current(): Revision {
    return this.revision;
  }

  /**
   * Loads the current file, or the earlier revision that somebody went back to, and puts it in force.
   * @returns the configuration that was in force before
   * @throws ConfigError when the file is bad, OperationalError `revision-missing`; nothing was changed then
   */
  async reload(): Promise<Revision> {
    const { ports, revision: before } = this;
    const loaded = await load(ports);
    const { missing } = loaded;
    if (missing !== null) {
      await loaded.host.close();
      await ports.reverts.report(ports.me, loaded);
      ports.standing.lacks(missing);
      throw new OperationalError('revision-missing', missing);
    }
    this.revision = await stored(loaded, ports);
    return before;
  }
}

function load({ file, dataFolder, reverts, standing, log }: ConfigurationPorts): Promise<InForce> {
  return loadInForce(file, {
    kept: new KeptRevisions(join(dataFolder, 'revisions'), file),
    inForceFor: (fingerprint) => reverts.inForceFor(fingerprint),
    onNotKept: (error) => standing.notKept(error),
    onStall: (handle, ms) => log.warn({ handle, ms }, 'a callback of the configuration is slow'),
  });
}

async function stored(loaded: InForce, { store, standing, me }: ConfigurationPorts): Promise<Revision> {
  const { host, fileFingerprint, missing } = loaded;
  const { revision: config, fingerprint } = host;
  try {
    const revision = { fingerprint, body: JSON.stringify(config), standing: { fileFingerprint, missing } };
    const ids = await store.apply(me, revision, config, { serves: false });
    standing.inForce({ fingerprint, fileFingerprint, missing });
    return { host, config, ids };
  } catch (error) {
    await host.close();
    throw error;
  }
}
