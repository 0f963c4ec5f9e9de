import { join } from 'node:path';
import { ConfigHost, type ConfigSnapshot, type NamedVariables } from '@millrace/config';
import { type CompiledBuilder, type CompiledConfig, hints } from '@millrace/contracts';
import {
  type ClaimedBuild,
  ConfigurationStore,
  ControlStore,
  type DefinitionIds,
  Journal,
  type MasterCommand,
  sabotaged,
} from '@millrace/database';
import { propertiesFrom, type Properties, workerEntries } from '@millrace/domain';
import { Loop, type Master } from '@millrace/master';
import { Counter, Gauge } from 'prom-client';
import { FolderBlobs } from './blobs/folder-blobs.js';
import { type BuildSetup, RunningBuilds } from './builds/running-builds.js';
import { type Assignments, Distributor } from './claiming/distributor.js';
import { Reaper } from './claiming/reaper.js';
import { type RunnerLog, RunnerPool } from './runner/runner.js';
import type { AttachedWorker } from './workers/attached-worker.js';
import { FleetWatch } from './workers/fleet-watch.js';
import { WorkerListener } from './workers/listener.js';
import type { WorkerDirectory } from './workers/login.js';
import { WorkerTokens } from './workers/tokens.js';

/** One configuration revision, as an engine uses it. */
interface Revision extends WorkerDirectory, Assignments {
  readonly file: string;
  readonly fingerprint: string;
  readonly snapshot: ConfigSnapshot;
  readonly variables: NamedVariables;
  readonly byId: ReadonlyMap<number, CompiledBuilder>;
  readonly config: CompiledConfig;
  readonly ids: DefinitionIds;
}

/** The engine: worker sessions, claims, builds. */
export class EngineRuntime {
  private readonly journal: Journal;
  readonly listener: WorkerListener;
  private readonly distributor: Distributor;
  private readonly builds: RunningBuilds;
  private readonly reaper: Reaper;
  private readonly poll: Loop;
  private readonly fleet: FleetWatch;
  /** Tokens were made or revoked, and who may build what has not been worked out again. */
  private tokensChanged = false;
  /** Something other than the time that passed calls for a look at the queues. */
  private asked = true;
  private refreshAllAt = 0;

  private constructor(
    private readonly master: Master<'engine'>,
    private readonly file: string,
    private revision: Revision,
    private readonly tokens: WorkerTokens,
    private readonly pool: RunnerPool,
  ) {
    const { settings } = master;
    this.journal = new Journal(master.db, master.me, (error) =>
      master.log.warn({ err: error }, `the journal waits: ${error.message}`),
    );
    this.builds = new RunningBuilds(master, this.journal, new FolderBlobs(join(settings.dataFolder, 'blobs')), () =>
      this.distributor.assign(),
    );
    this.reaper = new Reaper(master, this.builds);
    this.listener = new WorkerListener(
      master,
      () => this.revision,
      () => {
        this.look();
      },
      (worker) => this.builds.workerAway(worker),
      (worker) => this.builds.adopt(worker, (builderId) => this.setupOf(builderId)),
    );
    this.distributor = new Distributor(
      master,
      this.journal,
      () => this.revision,
      () => this.listener.attached.values(),
      (build, worker, fingerprint) => this.begin(build, worker, fingerprint),
    );
    this.poll = new Loop({
      name: 'engine',
      everyMs: settings.pollIntervalMs,
      log: master.log,
      round: async () => {
        const asked = this.asked || !sabotaged('poll');
        this.asked = false;
        // One that fails does not keep the others from their turn.
        const duties = [
          () => this.refreshTokens(),
          () => this.refreshWorkers(),
          () => this.reaper.round(),
          ...(asked ? [() => this.distributor.poll()] : []),
        ];
        const failures: unknown[] = [];
        for (const duty of duties) await duty().catch((error: unknown) => failures.push(error));
        if (failures.length > 0) throw failures[0];
      },
    });
    this.fleet = new FleetWatch(master, () => this.listener.attached.size);
    const { sessions } = this.listener;
    sessions.onFree = () => this.distributor.assign();
    sessions.mayStay = ({ tokenId }) => tokenId === null || this.tokens.isWorking(tokenId);
    master.hints.subscribe('workers', (_topic, payload) => sessions.recheck(Number(payload['workerid'])));
    master.hints.subscribe('builds', (topic) => {
      if (topic.endsWith('.finished')) sessions.recheckFull();
    });
    master.hints.subscribe(hints.workerTokens().topic, () => this.look());
    this.addMetrics();
  }

  /** @throws ConfigError when the configuration is bad */
  static async start(master: Master<'engine'>, file: string): Promise<EngineRuntime> {
    const tokens = new WorkerTokens(master.db);
    await tokens.refresh();
    const loaded = await load(file, tokens);
    const pool = new RunnerPool({
      configFile: file,
      fingerprint: loaded.fingerprint,
      snapshot: loaded.snapshot,
      variables: loaded.variables,
      threadMemoryMb: master.settings.runnerMemoryMb,
      log: poolLog(master),
      onStall: (stall) => master.log.warn(stall, 'a step keeps its runner thread busy'),
    });
    await pool.start();
    return new EngineRuntime(master, file, await stored(master, loaded), tokens, pool);
  }

  /** Begins to take workers and work. */
  async open(): Promise<void> {
    await this.listener.listen();
    this.poll.start();
    this.fleet.start();
  }

  async reload(): Promise<string> {
    this.listener.reload();
    const before = this.revision;
    const loaded = await load(this.file, this.tokens);
    await this.pool.switchTo(this.file, loaded.fingerprint, loaded.snapshot, loaded.variables);
    try {
      this.revision = await stored(this.master, loaded);
    } catch (error) {
      // All of it or nothing.
      await this.pool.switchTo(this.file, before.fingerprint, before.snapshot, before.variables);
      throw error;
    }
    const { revision } = this;
    this.sessionsReconfigured();
    this.look();
    return `revision ${revision.fingerprint.slice(0, 12)}`;
  }

  /**
   * Claims nothing more, lets every worker go as soon as it has nothing to do here, and resolves when the last build has ended. New workers
   * find other engines.
   */
  async drain(): Promise<void> {
    await this.distributor.stop();
    this.listener.refuseNew();
    this.listener.letGo();
    await this.builds.allEnded(() => this.listener.letGo());
  }

  async stop(): Promise<void> {
    await this.distributor.stop();
    await this.poll.stop();
    await this.fleet.stop();
    this.listener.sessions.close();
    await this.builds.giveBackAll('the engine is stopping');
    await this.listener.close();
    await this.journal.close();
    await this.pool.close();
  }

  /** A token lets workers in at once; the workers of templates come and go with theirs. */
  private async refreshTokens(): Promise<void> {
    if (await this.tokens.refresh()) this.tokensChanged = true;
    if (!this.tokensChanged) return;
    const { revision } = this;
    const workers = await new ConfigurationStore(this.master.db).applyWorkers(
      this.master.me,
      revision.config,
      revision.ids,
    );
    // A new configuration that came meanwhile has seen the tokens, too.
    if (this.revision === revision) this.revision = assemble(revision, { ...revision.ids, workers });
    this.tokensChanged = false;
    this.sessionsReconfigured();
  }

  async stopBuild({ subjectId, args, ...command }: MasterCommand): Promise<string | null> {
    if (this.builds.stop(subjectId, args.reason ?? 'no reason')) return null;
    const passedOn = await new ControlStore(this.master.db).passStopOn({ subjectId, args, ...command });
    return passedOn ? null : 'the build has ended';
  }

  private sessionsReconfigured(): void {
    this.listener.sessions.reconfigured();
  }

  private look(): void {
    this.asked = true;
    this.poll.nudge();
  }

  /** Hints say at once which row to read; all of them are read no more often than somebody has to poll. */
  private async refreshWorkers(): Promise<void> {
    if (performance.now() < this.refreshAllAt) return;
    this.refreshAllAt = performance.now() + this.master.settings.pollIntervalMs * 0.8;
    await this.listener.refresh();
  }

  /** The configuration may have changed since the build was claimed: then it is claimed again, under the new one or elsewhere. */
  private begin(build: ClaimedBuild, worker: AttachedWorker, fingerprint: string): void {
    const setup = this.setupOf(build.builderId);
    if (setup?.builder.fingerprint === fingerprint) this.builds.begin(build, worker, setup);
    else this.builds.refuse(build, worker, 'its builder was configured anew');
  }

  private setupOf(builderId: number): BuildSetup | null {
    const { file: configFile, fingerprint, byId } = this.revision;
    const builder = byId.get(builderId);
    return builder ? { builder, configFile, fingerprint, pool: this.pool } : null;
  }

  private addMetrics(): void {
    const registers = [this.master.metrics];
    const { builds, journal } = this;
    new Gauge({
      name: 'millrace_builds_running',
      help: 'Builds that run on this engine',
      registers,
      collect() {
        this.set(builds.size);
      },
    });
    new Counter({
      name: 'millrace_builds_adopted_total',
      help: 'Builds that went on here after they had lost their engine or their worker its connection',
      registers,
      collect() {
        this.reset();
        this.inc(builds.stats.adopted);
      },
    });
    new Counter({
      name: 'millrace_journal_transactions_total',
      help: 'Transactions of the build journal',
      registers,
      collect() {
        this.reset();
        this.inc(journal.stats.transactions);
      },
    });
    new Counter({
      name: 'millrace_journal_entries_total',
      help: 'Groups of entries written through the build journal',
      registers,
      collect() {
        this.reset();
        this.inc(journal.stats.entries);
      },
    });
  }
}

type Loaded = Pick<Revision, 'file' | 'fingerprint' | 'snapshot' | 'variables' | 'workerDigests' | 'tokens' | 'config'>;

/** @throws ConfigError when the configuration is bad */
async function load(file: string, tokens: WorkerTokens): Promise<Loaded> {
  // The host is only needed to compile: an engine's callbacks run in its runners.
  const host = await ConfigHost.start(file);
  const { revision: config, fingerprint, snapshot, variables, workerDigests } = host;
  await host.close();
  return { file, fingerprint, snapshot, variables, workerDigests, tokens, config };
}

/** From then on this engine is known to serve it. */
async function stored(master: Master<'engine'>, loaded: Loaded): Promise<Revision> {
  const { fingerprint, config } = loaded;
  const store = new ConfigurationStore(master.db);
  const ids = await store.apply(master.me, { fingerprint, body: JSON.stringify(config) }, config, { serves: true });
  return assemble(loaded, ids);
}

function assemble(source: Loaded, ids: DefinitionIds): Revision {
  const { builders, workers: entries } = source.config;
  const entryNames = entries.map((entry) => entry.name);
  const entryFor = workerEntries(entryNames);
  const byEntry = new Map(entries.map((entry) => [entry.name, entry]));
  const entryOf = new Map([...ids.workers.keys()].map((name) => [name, entryFor(name)!]));
  const workers = new Map([...entryOf].map(([name, entry]) => [name, { ...byEntry.get(entry)!, name }]));
  const buildersOfEntry = new Map<string, Set<number>>(entryNames.map((entry) => [entry, new Set()]));
  for (const builder of builders)
    for (const entry of builder.workers) buildersOfEntry.get(entry)?.add(ids.builders.get(builder.name)!);
  const buildersOf = new Map(
    [...entryOf].map(([name, entry]) => [ids.workers.get(name)!, buildersOfEntry.get(entry)!]),
  );
  const properties = new Map<number, Properties>(
    [...workers].map(([name, worker]) => [ids.workers.get(name)!, propertiesFrom(worker.properties, 'Worker')]),
  );
  return {
    ...source,
    ids,
    workers,
    workerIds: ids.workers,
    builddirs: (worker) =>
      builders
        .filter(({ workers: names }) => names.includes(entryOf.get(worker) ?? ''))
        .map(({ builddir }) => builddir),
    byId: new Map(builders.map((builder) => [ids.builders.get(builder.name)!, builder])),
    builders: new Map(
      builders.map((builder) => [
        ids.builders.get(builder.name)!,
        {
          name: builder.name,
          fingerprint: builder.fingerprint,
          properties: propertiesFrom(builder.properties, 'Builder'),
        },
      ]),
    ),
    buildersOf: (workerId) => buildersOf.get(workerId) ?? new Set(),
    workerProperties: (id) => properties.get(id) ?? {},
  };
}

function poolLog(master: Master<'engine'>): RunnerLog {
  const log = master.log.child({ component: 'runner' });
  return {
    info: (message, fields = {}) => log.info(fields, message),
    warn: (message, fields = {}) => log.warn(fields, message),
    error: (message, fields = {}) => log.error(fields, message),
  };
}
