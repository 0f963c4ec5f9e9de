import type { CompiledBuilder } from '@millrace/contracts';
import type { ConfigurationStore, Incarnation, RevertStore } from '@millrace/database';
import { type KnownLock, OperationalError } from '@millrace/domain';
import type { ConfigurationStanding } from '@millrace/master';
import type { RunnerPool } from '../runner/runner.js';
import type { WorkerDirectory } from '../workers/login.js';
import type { WorkerTokens } from '../workers/tokens.js';
import { type ConfigurationSource, loadConfiguration } from './load.js';
import { assemble, type LoadedConfiguration, type Revision } from './revision.js';

/** The parts that a build needs of the configuration it was claimed under. */
export interface BuildSetup {
  readonly builder: CompiledBuilder;
  readonly configFile: string;
  readonly fingerprint: string;
  /** All locks, by name. */
  readonly locks: ReadonlyMap<string, KnownLock>;
}

export interface ConfigurationPorts {
  readonly store: ConfigurationStore;
  readonly me: Incarnation;
  readonly pool: RunnerPool;
  readonly tokens: WorkerTokens;
  readonly source: ConfigurationSource;
  readonly reverts: RevertStore;
  readonly standing: ConfigurationStanding;
}

/** The configuration in force on this engine. Another one replaces it completely or not at all. */
export class EngineConfiguration implements WorkerDirectory {
  /** True when tokens have changed, and the workers of builders have not been recomputed yet. */
  private tokensChanged = false;

  private constructor(
    private readonly ports: ConfigurationPorts,
    private revision: Revision,
  ) {}

  /** Puts the loaded configuration in force, for which the pool is warm. From then on this engine is known to serve it. */
  static async inForce(loaded: LoadedConfiguration, ports: ConfigurationPorts): Promise<EngineConfiguration> {
    await ports.tokens.refresh();
    return new EngineConfiguration(ports, await stored(loaded, ports));
  }

  get current(): Revision {
    return this.revision;
  }

  get workers(): Revision['workers'] {
    return this.revision.workers;
  }

  get workerIds(): ReadonlyMap<string, number> {
    return this.revision.ids.workers;
  }

  get workerDigests(): Revision['workerDigests'] {
    return this.revision.workerDigests;
  }

  get tokens(): WorkerTokens {
    return this.ports.tokens;
  }

  builddirs(worker: string): readonly string[] {
    return this.revision.builddirs(worker);
  }

  /** Returns the setup of a builder; null when this engine's configuration does not have it. */
  setupOf(builderId: number): BuildSetup | null {
    const { configFile, fingerprint, byId, locks } = this.revision;
    const builder = byId.get(builderId);
    return builder ? { builder, configFile, fingerprint, locks } : null;
  }

  /**
   * Loads the current file, or the earlier revision that somebody went back to, and puts it in force.
   * @returns its fingerprint
   * @throws ConfigError when it is bad, OperationalError `revision-missing`; nothing was changed then
   */
  async reload(): Promise<string> {
    const { pool, source, reverts, standing, me } = this.ports;
    const before = this.revision;
    const loaded = await loadConfiguration(source);
    const { missing } = loaded;
    if (missing !== null) {
      await loaded.callbacks?.close();
      await reverts.report(me, loaded);
      standing.lacks(missing);
      throw new OperationalError('revision-missing', missing);
    }
    try {
      await pool.switchTo(loaded);
      this.revision = await stored(loaded, this.ports);
    } catch (error) {
      // Either everything is switched or nothing.
      await pool.switchTo(before);
      await loaded.callbacks?.close();
      throw error;
    }
    await before.callbacks?.close();
    return loaded.fingerprint;
  }

  /** Ends the thread of callbacks. */
  async close(): Promise<void> {
    await this.revision.callbacks?.close();
  }

  /**
   * Reads the tokens again. A token admits its worker at once; the workers of templates come and go with their tokens.
   * @returns whether anything has changed
   */
  async refreshTokens(): Promise<boolean> {
    const { tokens, store, me } = this.ports;
    if (await tokens.refresh()) this.tokensChanged = true;
    if (!this.tokensChanged) return false;
    const { revision } = this;
    const workers = await store.applyWorkers(me, revision.config, revision.ids);
    // If a new configuration came meanwhile, it has been computed with these tokens.
    if (this.revision === revision) this.revision = assemble(revision, { ...revision.ids, workers });
    this.tokensChanged = false;
    return true;
  }
}

async function stored(loaded: LoadedConfiguration, { store, me, standing }: ConfigurationPorts): Promise<Revision> {
  const { fingerprint, fileFingerprint, missing, config } = loaded;
  const revision = { fingerprint, body: JSON.stringify(config), standing: { fileFingerprint, missing } };
  const ids = await store.apply(me, revision, config, { serves: true });
  standing.inForce(loaded);
  return assemble(loaded, ids);
}
