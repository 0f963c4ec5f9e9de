import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CompiledConfig, CompiledForceScheduler, ForceField, Hint } from '@millrace/contracts';
import {
  type BuildEntry,
  type BuildKey,
  type ClaimedBuild,
  ClaimStore,
  ConfigurationStore,
  createBuildset,
  type CreatedBuildset,
  type Database,
  type DefinitionIds,
  type Incarnation,
  HookDeliveryStore,
  IntakeStore,
  type NewChange,
  Journal,
  migrate,
  openDatabase,
  WorkerStore,
} from '@millrace/database';
import { registerMaster } from '@millrace/testing';
import type { JsonValue, Result } from '@millrace/domain';

const FIELD = { tooltip: '', required: false, hide: false, regex: null, maxsize: null } as const;
const field = (name: string, more: Partial<ForceField> = {}): ForceField => ({
  ...FIELD,
  type: 'text',
  name,
  label: `${name}:`,
  default: '',
  size: 20,
  ...more,
});

/** A scheduler as a scheduler master would have compiled and stored it. */
const FORCE: CompiledForceScheduler = {
  kind: 'force',
  name: 'force',
  builders: ['linux-tests', 'docs'],
  reason: 'forced',
  properties: {},
  priority: 0,
  label: 'Force a build',
  buttonName: 'Force a build',
  username: field('username', { type: 'username', label: 'your name:' }),
  reasonField: field('reason', { required: true, label: 'reason:', default: 'force build' }),
  priorityField: field('priority', { type: 'int', default: 0 }),
  codebases: [
    {
      codebase: '',
      branch: field('branch', { default: 'main' }),
      project: field('project'),
      repository: field('repository', { default: 'https://example.invalid/r.git' }),
      revision: field('revision', { regex: '[0-9a-f]*' }),
    },
  ],
  fields: [
    field('level', { type: 'list', label: 'level', choices: ['quick', 'full'], default: 'quick', strict: true }),
    field('ticket', { regex: '([A-Z]+)*' }),
    field('clean', { type: 'bool', label: 'clean first', default: false }),
  ],
};

export const CONFIG: CompiledConfig = {
  title: 'Widgets CI',
  url: null,
  projects: [
    { name: 'widgets', description: 'The widgets project' },
    { name: 'docs', description: null },
  ],
  workers: ['w1', 'w2'].map((name) => ({
    name,
    hasPassword: true,
    maxBuilds: 2,
    missingTimeoutMs: null,
    env: {},
    properties: {},
  })),
  builders: [
    ['linux-tests', 'widgets', ['linux', 'ci']],
    ['bad builder/with odd', 'widgets', ['linux']],
    ['docs', 'docs', ['docs']],
  ].map(([name, project, tags]) => ({
    name: name as string,
    project: project as string,
    description: name === 'linux-tests' ? 'Runs the unit tests' : null,
    tags: tags as string[],
    workers: ['w1', 'w2'],
    collapseRequests: false,
    formerNames: [],
    builddir: 'b',
    env: {},
    properties: {},
    steps: [{ kind: 'shell', name: 'test' }],
    fingerprint: `fp-${name as string}`,
  })),
  schedulers: [FORCE],
  changeSources: [],
  hooks: [],
};

const LOCK = { name: 'db', kind: 'lock', maxCount: 1, maxCountForWorker: {}, resources: [] } as const;

/** A site as its masters would have left it, written through the same stores. It stands in for scheduler and engine. */
export class Site {
  private hintListeners = new Set<(hint: Hint) => void>();

  private constructor(
    readonly db: Database,
    readonly engine: Incarnation,
    readonly ids: DefinitionIds,
    private readonly journal: Journal,
    private readonly cleanUp: () => Promise<void>,
  ) {}

  static async onSqlite(config = CONFIG): Promise<Site> {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-ui-'));
    return Site.on(`sqlite:${folder}/db.sqlite`, () => rm(folder, { recursive: true, force: true }), config);
  }

  static async on(
    url: string,
    cleanUp: () => Promise<void> = async () => undefined,
    config: CompiledConfig = CONFIG,
  ): Promise<Site> {
    await migrate(url);
    const db = openDatabase(url);
    const engine = await registerMaster(db, { name: 'engine@lab' });
    const ids = await new ConfigurationStore(db).apply(
      engine,
      { fingerprint: 'f'.repeat(64), body: JSON.stringify(config) },
      { ...config, ...(config === CONFIG && { changeSources: [{ name: 'git' }] }), locks: [LOCK] },
      { serves: true },
    );
    await new WorkerStore(db).attached([...ids.workers.values()][0]!, engine, {
      admin: 'Ann Admin\n',
      host: 'lab host 1\n',
    });
    const journal = new Journal(db, engine, (error) => {
      throw error;
    });
    return new Site(db, engine, ids, journal, cleanUp);
  }

  async close(): Promise<void> {
    await this.journal.close();
    await this.db.close();
    await this.cleanUp();
  }

  /**
   * Calls `listener` for every hint.
   * @returns a function that unsubscribes
   */
  onHint(listener: (hint: Hint) => void): () => void {
    this.hintListeners.add(listener);
    return () => this.hintListeners.delete(listener);
  }

  hint(hint: Hint): void {
    for (const listener of this.hintListeners) listener(hint);
  }

  builder(name: string): number {
    return this.ids.builders.get(name)!;
  }

  async change(n: number, branch = 'main', fields: Partial<NewChange> = {}): Promise<number> {
    const [id] = await new IntakeStore(this.db).addChanges([
      {
        dedupKey: `change-${n}`,
        author: 'Ann Author <ann@example.invalid>',
        committer: null,
        comments: `change number ${n}\n\nwith a body`,
        branch,
        revision: String(n).padStart(40, 'a'),
        repository: 'https://example.invalid/r.git',
        project: 'widgets',
        codebase: '',
        revlink: '',
        category: null,
        whenMs: 1_700_000_000_000 + n * 1000,
        files: ['a.c', 'doc/b.md'],
        properties: { ticket: [`X-${n}`, 'Change'] },
        ...fields,
      },
    ]);
    return id!;
  }

  /** Makes a delivery to a hook. */
  async delivery(): Promise<number> {
    const { deliveryId } = await new HookDeliveryStore(this.db).accept({
      ...{ hook: 'github', dialect: 'github', deliveryKey: 'd', headers: { 'x-github-event': 'push' }, query: '' },
      ...{ body: Buffer.from('{}'), keepMs: 60_000 },
    });
    return deliveryId;
  }

  buildset(options: {
    builders: string[];
    changeIds?: number[];
    priority?: number;
    cause?: string;
  }): Promise<CreatedBuildset> {
    return this.db.transaction(async (tx) => {
      const created = await createBuildset(tx, {
        schedulerId: null,
        schedulerName: 'any',
        cause: options.cause ?? `cause-${Math.random()}`,
        reason: 'a change came in',
        sourceStamps: [
          {
            branch: 'main',
            revision: 'a1b2c3d4',
            repository: 'https://example.invalid/r.git',
            project: 'widgets',
            codebase: '',
          },
        ],
        changeIds: options.changeIds ?? [],
        properties: { owners: [['Ann Author <ann@example.invalid>'], 'Build'], scheduler: ['any', 'Scheduler'] },
        builderIds: options.builders.map((name) => this.builder(name)),
        priority: options.priority ?? 0,
      });
      return created!;
    });
  }

  /** Claims a request for the worker, or for the first that may build it. */
  async claim(requestId: number, builderName: string, workerName?: string): Promise<ClaimedBuild> {
    for (const [name, workerId] of this.ids.workers) {
      if (workerName !== undefined && name !== workerName) continue;
      const [build] = await new ClaimStore(this.db).claim(this.engine, [
        { requestId, builderId: this.builder(builderName), builderName, workerId, workerName: name, properties: {} },
      ]);
      if (build) return build;
    }
    throw new Error(`no worker may build request ${requestId} of '${builderName}'`);
  }

  write(build: BuildKey, entries: readonly BuildEntry[]): ReturnType<Journal['write']> {
    return this.journal.write(build, entries);
  }

  /** Writes one step `test` with a log, data and test results, and the build's end. */
  async finish(
    build: BuildKey,
    results: Result,
    lines: readonly string[] = ['hone header', 'oone line', 'ewarning'],
  ): Promise<void> {
    await this.write(build, [
      { kind: 'step-started', number: 0, name: 'test', hidden: false },
      {
        kind: 'log-lines',
        step: 0,
        log: 'stdio',
        type: 's',
        text: lines.map((line) => `${line}\n`).join(''),
        lines: lines.length,
      },
      { kind: 'build-data', name: 'coverage', source: 'test', value: Buffer.from([60, 0, 255]) },
      {
        ...{ kind: 'test-results', step: 0, from: 0, isComplete: true },
        set: { ordinal: 0, description: 'unit tests', category: 'pass_fail', valueUnit: 'boolean' },
        results: [{ name: 'adds', codePath: 'a.py', line: 1, durationNs: 5, value: '0', message: 'no' }],
      },
      { kind: 'properties', properties: { got_revision: ['a1b2c3d4', 'git'] } },
      { kind: 'step-finished', number: 0, results, stateString: 'test done', hidden: false },
      {
        kind: 'build-finished',
        end: { results, stateString: results === 0 ? 'build successful' : 'failed test (failure)' },
      },
    ]);
  }

  /** Writes a complete build of one builder, from request to end. */
  async built(builderName: string, results: Result, changeIds: number[] = []): Promise<ClaimedBuild> {
    const created = await this.buildset({ builders: [builderName], changeIds });
    const build = await this.claim(created.requests[0]!.requestId, builderName);
    await this.finish(build, results);
    return build;
  }
}

export type Json = { readonly [key: string]: JsonValue };
