import { type ChildProcess, fork } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { chunked, createBuildset, type Database, openDatabase } from '@millrace/database';
import { eventually } from '@millrace/testing';
import type { Figure } from '../figures.js';
import type { FleetSetup } from '../fleet.js';
import { cpuMs } from '../processes.js';
import { Engine } from '../systems/engine.js';
import { type Stack, type StackName, startStack } from '../systems/millrace.js';

const ENGINES = 3;
const WORKERS_EACH = 10;
/** Most builds of which the cost is measured, without a backlog and with one. */
const MOST_BUILDS = 480;
/** Requests that wait at a time in the phase without a backlog: as many as the workers have slots. */
const FEW = 120;
const PATIENCE = { timeoutMs: 300_000, intervalMs: 20 } as const;

/** What the builds of a phase have cost, each on average. */
interface Cost {
  readonly engineCpuMs: number;
  readonly databaseCpuMs: number;
  readonly statements: number;
  readonly rowsRead: number;
}

export interface BacklogSize {
  readonly builders: number;
  /** Requests that wait. */
  readonly pending: number;
}

/**
 * Measures three engines with a backlog of requests of builders with locks, all of them to be collapsed if they were compatible: how soon
 * the first build begins once workers connect, and what a build costs compared to one without a backlog.
 */
export async function backlog(
  name: StackName,
  { builders, pending }: BacklogSize,
): Promise<{ figures: Figure[]; notes: string[] }> {
  const builds = Math.min(MOST_BUILDS, Math.round(pending / 20));
  const stack = await startStack(name);
  const token = createHash('sha256').update(randomBytes(16)).digest('hex');
  const env = {
    BENCH_WORKERS: String(ENGINES * WORKERS_EACH),
    BENCH_BUILDERS: String(builders),
    BENCH_TOKEN: token,
  };
  const engines: Engine[] = [];
  for (let i = 0; i < ENGINES; i++)
    engines.push(
      await Engine.create({ stack, config: 'backlog.config.ts', env: { ...env, MILLRACE_NAME: `engine-${i}` } }),
    );
  const fleets: ChildProcess[] = [];
  const db = openDatabase(stack.url, { connections: 2 });
  /** Starts the workers' processes. They connect when `connect` is called, so that no measure counts how long Node takes to start. */
  const prepare = async (): Promise<void> => {
    for (const [i, { workerPort }] of engines.entries()) {
      const setup: FleetSetup = {
        url: `ws://127.0.0.1:${workerPort}`,
        token,
        first: i * WORKERS_EACH,
        workers: WORKERS_EACH,
      };
      const fleet = fork(join(import.meta.dirname, '../fleet.js'), [JSON.stringify(setup)]);
      fleets.push(fleet);
    }
    await Promise.all(fleets.map((fleet) => once(fleet, 'message')));
  };
  const connect = (): void => {
    for (const fleet of fleets) fleet.send({ kind: 'connect' });
  };
  const attached = (): Promise<unknown> => Promise.all(engines.map((engine) => engine.attached(WORKERS_EACH)));
  try {
    const startsMs = [];
    for (const engine of engines) startsMs.push(await engine.start());
    const requests = new Requests(db);
    await prepare();
    connect();
    await attached();
    const without = await costOf({ stack, db, engines }, async () => {
      for (let begun = 0; begun < builds; begun += FEW) {
        await requests.add(FEW);
        await eventually(async () => (await queued(db)) === 0, { ...PATIENCE, what: 'an empty queue' });
      }
    });

    for (const fleet of fleets.splice(0)) fleet.kill('SIGKILL');
    await eventually(async () => (await running(db)) === 0, { ...PATIENCE, what: 'the end of all builds' });
    await requests.add(pending);
    await prepare();
    let startedAt = performance.now();
    connect();
    await eventually(async () => (await running(db)) > 0, { ...PATIENCE, what: 'the first build' });
    const firstMs = performance.now() - startedAt;
    await attached();
    const withBacklog = await costOf({ stack, db, engines }, async () => {
      const before = await queued(db);
      await eventually(async () => (await queued(db)) <= before - builds, { ...PATIENCE, what: `${builds} builds` });
    });
    startedAt = performance.now();
    const urgent = await requests.add(1, 1000);
    await eventually(
      async () => (await db.get(`SELECT 1 AS one FROM queue WHERE request_id = ?`, [urgent])) === undefined,
      { ...PATIENCE, what: 'the urgent build' },
    );
    const urgentMs = performance.now() - startedAt;

    const ratio = (key: keyof Cost): number => withBacklog[key] / without[key];
    const less = (what: string, unit: string, value: number): Figure => ({
      name: `backlog: ${what}`,
      unit,
      better: 'less',
      value,
    });
    return {
      figures: [
        less('start of the slowest engine', 'ms', Math.max(...startsMs)),
        less('first start', 'ms', firstMs),
        less('start of an urgent request', 'ms', urgentMs),
        less('CPU of the engines a build, times that of an empty queue', '', ratio('engineCpuMs')),
        less('CPU of the database a build, times that of an empty queue', '', ratio('databaseCpuMs')),
        less('statements a build, times those of an empty queue', '', ratio('statements')),
        less('rows read a build, times those of an empty queue', '', ratio('rowsRead')),
      ],
      notes: [
        `backlog: a build without it ${textOf(without)}; with it ${textOf(withBacklog)}; the engines started in ` +
          `${startsMs.map((ms) => Math.round(ms)).join(', ')} ms; ${engines.flatMap(({ log }) => log).length} warnings`,
      ],
    };
  } finally {
    for (const fleet of fleets) fleet.kill('SIGKILL');
    await Promise.all(engines.map((engine) => engine.kill()));
    await db.close();
    await stack.stop();
  }
}

/** Makes requests, each buildset of a branch of its own: they all have keys, and none is compatible with another. */
class Requests {
  private made = 0;
  private buildsets = 0;
  private builders: readonly number[] = [];

  constructor(private readonly db: Database) {}

  /** Adds requests of one builder after the other. Returns the id of the last one. */
  async add(count: number, priority = 0): Promise<number> {
    if (this.builders.length === 0)
      this.builders = (await this.db.all<{ id: number }>(`SELECT id FROM builders ORDER BY id`)).map(({ id }) => id);
    const wanted = Array.from({ length: count }, () => this.builders[this.made++ % this.builders.length]!);
    let last = 0;
    for (const builderIds of chunked(wanted, 1000)) {
      const branch = `branch-${++this.buildsets}`;
      const created = await this.db.transaction((tx) =>
        createBuildset(tx, {
          schedulerId: null,
          schedulerName: 'bench',
          cause: `backlog:${branch}`,
          reason: 'bench',
          sourceStamps: [{ branch, revision: null, repository: '', project: '', codebase: '' }],
          properties: {},
          builderIds,
          priority,
        }),
      );
      last = created!.requests.at(-1)!.requestId;
    }
    return last;
  }
}

async function queued(db: Database): Promise<number> {
  return (await db.get<{ n: number }>(`SELECT COUNT(*) AS n FROM queue`))!.n;
}

async function running(db: Database): Promise<number> {
  return (await db.get<{ n: number }>(`SELECT COUNT(*) AS n FROM claims`))!.n;
}

interface Measured {
  readonly stack: Stack;
  readonly db: Database;
  readonly engines: readonly Engine[];
}

async function costOf({ stack, db, engines }: Measured, work: () => Promise<void>): Promise<Cost> {
  const look = async () => ({
    engineCpuMs: engines.reduce((sum, { pid }) => sum + cpuMs(pid), 0),
    databaseCpuMs: stack.databasePid === null ? 0 : cpuMs(stack.databasePid),
    statements: await statusOf(db, 'Questions'),
    rowsRead: await statusOf(db, 'Handler_read%'),
    builds: (await db.get<{ n: number }>(`SELECT COUNT(*) AS n FROM builds WHERE complete_at_ms IS NOT NULL`))!.n,
  });
  const before = await look();
  await work();
  const after = await look();
  const builds = after.builds - before.builds;
  const each = (key: keyof Cost): number => (after[key] - before[key]) / builds;
  return {
    engineCpuMs: each('engineCpuMs'),
    databaseCpuMs: each('databaseCpuMs'),
    statements: each('statements'),
    rowsRead: each('rowsRead'),
  };
}

/** Returns the sum of the server's counters of that name. */
async function statusOf(db: Database, name: string): Promise<number> {
  const rows = await db.all<{ Value: string }>(`SHOW GLOBAL STATUS LIKE '${name}'`);
  return rows.reduce((sum, { Value }) => sum + Number(Value), 0);
}

function textOf({ engineCpuMs, databaseCpuMs, statements, rowsRead }: Cost): string {
  return (
    `${engineCpuMs.toFixed(1)} ms of CPU in the engines, ${databaseCpuMs.toFixed(1)} in the database, ` +
    `${statements.toFixed(1)} statements, ${rowsRead.toFixed(0)} rows read`
  );
}
