import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe } from '@jest/globals';
import { hints } from '@millrace/contracts';
import {
  createBuildset,
  type Database,
  type Incarnation,
  migrate,
  openDatabase,
  readLogLines,
} from '@millrace/database';
import { NO_SOURCE } from '@millrace/domain';
import { readSettings } from '@millrace/master';
import {
  eventually,
  type FakeCommandContext,
  FakeCommands,
  FakeWorker,
  freePort,
  type MariaDb,
  registerMaster,
  requireService,
  startMariaDb,
} from '@millrace/testing';
import { LocalHints, type LogLine, testMaster } from '@millrace/testing/master';
import { Test, type TestingModule } from '@nestjs/testing';
import { Registry } from 'prom-client';
import type { RunningBuilds as Builds } from '../../dist/builds/running-builds.js';
import { RunningBuilds } from '../../dist/builds/running-builds.js';
import { Engine as EngineDuties } from '../../dist/engine.js';
import { RunnerPool } from '../../dist/runner/runner.js';
import { EngineModule } from '../../dist/engine.module.js';
import type { AttachedWorker } from '../../dist/workers/attached-worker.js';
import { WorkerSessions } from '../../dist/workers/sessions.js';

/** Builders that start others, and builders with two commands: in one step, in steps that change from attempt to attempt, and in a step that cannot go on half-way. */
const CONFIG = `
import { builder, customStep, defineConfig, triggerable, worker } from '@millrace/config';
import { generateSteps, resultOf, shell, trigger } from '@millrace/steps';

const factories = {
  two: [shell({ name: 'first', command: 'first' }), shell({ name: 'second', command: 'second' })],
  planned: [generateSteps({ name: 'plan', command: 'first', steps: (output) => output.trim().split('\\n').map((line) => shell({ name: line, command: line })) }), shell({ command: 'tidy' })],
  endlessSteps: [customStep('more', (step) => (step.addStepsAfterLastStep(null), 0), { makeSteps: () => [factories.endlessSteps[0]] })],
  other: [shell({ name: 'first', command: 'first' })],
  fickle: [customStep('odd', async (step) => resultOf(await step.shell({ command: 'number ' + Math.random() })), { resumable: true })],
  parent: [trigger({ name: 'start', schedulers: ['children', 'more'], unimportant: ['more'], waitForFinish: true }), shell({ command: 'first' }), shell({ name: 'tidy', command: 'tidy', alwaysRun: true })],
  careless: [trigger({ schedulers: () => ['children'] })],
  child: [shell({ name: 'child', command: 'child' })],
  optional: [shell({ name: 'optional', command: 'optional' })],
  endless: [trigger({ schedulers: () => ['endless'], waitForFinish: true })],
  fixed: [customStep('fixed', async (step) => resultOf(await step.shell({ command: 'first' })))],
};
export default defineConfig({
  collapseRequests: false,
  workers: [worker('w', { password: 'p', maxBuilds: 5 })],
  builders: Object.entries(factories).map(([name, factory]) => builder(name, { workers: ['w'], factory })),
  schedulers: [
    triggerable('children', { builders: ['child'] }),
    triggerable('more', { builders: ['optional'] }),
    triggerable('endless', { builders: ['endless'] }),
  ],
});
`;
const WAIT = { timeoutMs: 30_000 };

/** An engine as `runMaster` starts it, in this process: with a runner process and its own port for workers. */
export class Engine {
  constructor(
    readonly me: Incarnation,
    readonly port: number,
    readonly log: LogLine[],
    readonly metrics: Registry,
    private readonly module: TestingModule,
  ) {}

  get builds(): Builds {
    return this.module.get(RunningBuilds);
  }

  /** Number of builds that have a thread. */
  get threads(): number {
    return this.module.get(RunnerPool).stats().builds;
  }

  /** Returns the worker if it is attached here. */
  worker(name: string): AttachedWorker | undefined {
    return [...this.module.get(WorkerSessions).attached.values()].find((worker) => worker.name === name);
  }

  drain(): Promise<void> {
    return this.module.get(EngineDuties).drain();
  }

  logged(message: string): boolean {
    return this.log.some((line) => line.message === message);
  }

  /** Stops in order, as `runMaster` does. */
  async stop(): Promise<void> {
    await this.module.close();
  }
}

export interface BuildRow {
  readonly id: number;
  readonly masterId: number;
  readonly attempt: number;
  readonly results: number | null;
  readonly state: string;
}

/** A database, and the engines and workers of one test. */
export class Engines {
  readonly bus = new LocalHints();
  private readonly engines = new Set<Engine>();
  private readonly workers: FakeWorker[] = [];
  private readonly folder = mkdtempSync(join(tmpdir(), 'millrace-engines-'));

  private constructor(readonly db: Database) {
    writeFileSync(join(this.folder, 'master.config.ts'), CONFIG);
  }

  static on(db: Database): Engines {
    return new Engines(db);
  }

  async start(name: string, more: { env?: Record<string, string>; mayTakeOver?: () => boolean } = {}): Promise<Engine> {
    const me = await register(this.db, name);
    const port = await freePort();
    const settings = readSettings('engine', {
      MILLRACE_DATA: this.folder,
      MILLRACE_CONFIG: join(this.folder, 'master.config.ts'),
      MILLRACE_WORKER_PORT: String(port),
      MILLRACE_POLL_MS: '100',
      ...more.env,
    });
    const lines: LogLine[] = [];
    const metrics = new Registry();
    const { mayTakeOver = () => true } = more;
    const master = testMaster({ db: this.db, me, settings, hints: this.bus, metrics, lines, mayTakeOver });
    const module = await Test.createTestingModule({ imports: [master, EngineModule] }).compile();
    await module.init();
    const engine = new Engine(me, port, lines, metrics, module);
    this.engines.add(engine);
    return engine;
  }

  async stop(engine: Engine): Promise<void> {
    this.engines.delete(engine);
    await engine.stop();
  }

  async connect(engine: Engine, script: Script, resumes?: FakeCommands): Promise<FakeWorker> {
    const worker = await FakeWorker.connect({
      url: `ws://127.0.0.1:${engine.port}`,
      name: 'w',
      password: 'p',
      commands: { shell: (args, context) => script.run(String(args['command']), context) },
      ...(resumes && { resumes }),
    });
    this.workers.push(worker);
    return worker;
  }

  /**
   * Submits a build request.
   * @returns its id
   */
  async submit(builder: string): Promise<number> {
    const row = await this.db.get<{ id: number }>(`SELECT id FROM builders WHERE name = ?`, [builder]);
    const created = await this.db.transaction((tx) =>
      createBuildset(tx, {
        schedulerId: null,
        schedulerName: 'test',
        cause: `engines:${Math.random()}`,
        reason: 'test',
        sourceStamps: [NO_SOURCE],
        properties: {},
        builderIds: [row!.id],
      }),
    );
    this.bus.publish(hints.queued(row!.id));
    return created!.requests[0]!.requestId;
  }

  /** Returns the attempts at a request. */
  builds(requestId: number): Promise<BuildRow[]> {
    return this.db.all<BuildRow>(
      `SELECT id, master_id AS masterId, attempt, results, state_string AS state FROM builds WHERE request_id = ? ORDER BY id`,
      [requestId],
    );
  }

  async until(requestId: number, isSo: (builds: BuildRow[]) => boolean, what: string): Promise<BuildRow[]> {
    let builds: BuildRow[] = [];
    await eventually(async () => isSo((builds = await this.builds(requestId))), { ...WAIT, what }).catch(
      (error: unknown) => {
        throw new Error(`${what}: ${JSON.stringify(builds)}`, { cause: error });
      },
    );
    return builds;
  }

  /** Waits until the last attempt has ended, and the request with it. */
  ended(requestId: number): Promise<BuildRow[]> {
    return this.until(
      requestId,
      (builds) => builds.length > 0 && ![null, 5].includes(builds.at(-1)!.results),
      'the end',
    );
  }

  claim(requestId: number): Promise<{ masterId: number; parkedAtMs: number | null; epoch: number } | undefined> {
    return this.db.get(
      `SELECT master_id AS masterId, parked_at_ms AS parkedAtMs, epoch FROM claims WHERE request_id = ?`,
      [requestId],
    );
  }

  async parked(requestId: number): Promise<void> {
    const isParked = async (): Promise<boolean> => ((await this.claim(requestId))?.parkedAtMs ?? null) !== null;
    await eventually(isParked, { ...WAIT, what: 'parked' });
  }

  /** Returns the standard output of each step of a build, without the engine's own lines. */
  async output(buildId: number): Promise<string[]> {
    const logs = await this.db.all<{ id: number; lines: number }>(
      `SELECT l.id, l.num_lines AS \`lines\` FROM logs l JOIN steps s ON s.id = l.step_id WHERE l.build_id = ? ORDER BY s.number`,
      [buildId],
    );
    return Promise.all(
      logs.map(async ({ id, lines }) =>
        (await readLogLines(this.db, id, 0, lines))
          .split('\n')
          .filter((line) => line.startsWith('o'))
          .map((line) => line.slice(1))
          .join(' '),
      ),
    );
  }

  /** Returns the text of a log. */
  async text(logId: number): Promise<string> {
    const { lines } = (await this.db.get<{ lines: number }>(`SELECT num_lines AS \`lines\` FROM logs WHERE id = ?`, [
      logId,
    ]))!;
    return readLogLines(this.db, logId, 0, lines);
  }

  async close(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.terminate()));
    await Promise.all([...this.engines].map((engine) => engine.stop()));
    rmSync(this.folder, { recursive: true });
  }
}

/** The worker's shell commands: each prints a line, and `second` and `number …` go on only when they are released. */
export class Script {
  readonly began: string[] = [];
  private readonly waiting = new Map<string, () => void>();

  constructor(
    private readonly held: (command: string) => boolean = (command) => !['first', 'tidy'].includes(command),
  ) {}

  async run(command: string, context: FakeCommandContext): Promise<number> {
    this.began.push(command);
    context.stdout(`${command} begins\n`);
    if (this.held(command)) {
      const released = new Promise<void>((resolve) => this.waiting.set(command, resolve));
      await Promise.race([released, context.untilInterrupted()]);
      if (context.interrupted.aborted) return 1;
    }
    context.stdout(`${command} ends\n`);
    return 0;
  }

  /** Lets a held command end now. */
  release(command: string): void {
    this.waiting.get(command)!();
    this.waiting.delete(command);
  }

  async begins(command: string | RegExp): Promise<void> {
    const isIt = (one: string): boolean => (typeof command === 'string' ? one === command : command.test(one));
    await eventually(() => this.began.some(isIt), { ...WAIT, what: `${command} on the worker` });
  }
}

export { FakeCommands };

let masters = 0;

export function register(db: Database, name: string, leaseMs = 600_000): Promise<Incarnation> {
  masters += 1;
  return registerMaster(db, { name, pid: 1000 + masters, leaseMs, isAlive: false });
}

/** Runs the same suite with each kind of database. Every test has its own engines on an empty one. */
export function withEngines(name: string, suite: (get: () => Engines) => void): void {
  const kinds = ['SQLite', ...(requireService('mariadb') ? ['MariaDB'] : [])];
  describe.each(kinds)(`${name} on %s`, (kind) => {
    let server: MariaDb | null = null;
    let folder: string;
    let db: Database;
    let engines: Engines;
    beforeAll(async () => {
      if (kind === 'MariaDB') server = await startMariaDb();
    }, 60_000);
    afterAll(() => server?.stop());
    beforeEach(async () => {
      folder = mkdtempSync(join(tmpdir(), 'millrace-engines-db-'));
      const url = server ? await server.createDatabase() : `sqlite:${join(folder, 'test.sqlite')}`;
      await migrate(url);
      db = openDatabase(url);
      engines = Engines.on(db);
    }, 60_000);
    afterEach(async () => {
      await engines.close();
      await db.close();
      rmSync(folder, { recursive: true });
    }, 60_000);
    suite(() => engines);
  });
}
