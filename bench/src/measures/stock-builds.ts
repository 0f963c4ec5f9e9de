import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createBus } from '@millrace/bus';
import { stockKinds, StockWorker } from '@millrace/testing';
import type { Figure } from '../figures.js';
import { portsOf, treeCpuMs } from '../processes.js';
import { latencies, rounded } from '../stats.js';
import { type MillraceSystem, type Stack, startMillrace, startStack, WORKER_PASSWORD } from '../systems/millrace.js';
import type { Workload } from '../systems/system.js';
import { sampleTriggers, buildsPerSecond } from './builds.js';

interface Measured {
  readonly figures: Figure[];
  readonly notes: string[];
}

/** Ways to run the same cluster, which are measured in turns: others use the machine, too. */
type Bus = 'bus' | 'no bus';
/**
 * A service runs for weeks, and V8 compiles what builds run until a process has seen some 3,000 of them. The first builds are a figure of
 * their own.
 */
const WARM_UP = 3000;
const TURNS = 5;
const TRIGGERS = 30;
const BUILDS = 200;
const COUNTED = 100;

interface Side {
  readonly of: Bus;
  readonly stack: Stack;
  readonly millrace: MillraceSystem;
  readonly workers: readonly StockWorker[];
  readonly triggersMs: number[];
  firstPerSecond: number;
  readonly perSecond: number[];
  readonly cpuMs: Map<string, number>;
}

/**
 * Measures trivial builds on four unmodified Buildbot workers over PB, on MariaDB, with crossbar and without a bus: how long one takes, how
 * many there are a second, and what each costs: CPU by process, statements and commits by role, hints by kind.
 */
export async function stockBuilds(workload: Workload): Promise<Measured> {
  const sides: Side[] = [];
  try {
    for (const of of ['bus', 'no bus'] as const) sides.push(await startSide(of, workload));
    for (const side of sides) side.firstPerSecond = await buildsPerSecond(side.millrace.api, BUILDS);
    // In turns: what is idle for a minute is collected, and V8 then compiles anew what was made for it.
    for (let built = BUILDS; built < WARM_UP; built += BUILDS) {
      for (const { millrace } of sides) await buildsPerSecond(millrace.api, BUILDS);
    }
    for (let turn = 0; turn < TURNS; turn++) for (const side of sides) await measureTurn(side);
    const notes: string[] = [];
    for (const side of sides) notes.push(...(await counted(side)));
    return { figures: sides.flatMap(figuresOf), notes };
  } finally {
    for (const side of sides) await stopSide(side);
  }
}

async function startSide(of: Bus, workload: Workload): Promise<Side> {
  const stack = await startStack('mariadb');
  const shown: Stack = of === 'bus' ? stack : { ...stack, bus: null };
  const workers: StockWorker[] = [];
  const kind = stockKinds().find(({ protocol }) => protocol === 'pb')!;
  const millrace = await startMillrace(shown, workload, {
    ...(of === 'no bus' && { env: { MILLRACE_BUS: 'none:' } }),
    startWorker(name, port) {
      const basedir = join(stack.folder, name);
      const worker = StockWorker.start({ ...kind, name, port, password: WORKER_PASSWORD, basedir });
      workers.push(worker);
      return () => worker.stop();
    },
  });
  return { of, stack, millrace, workers, triggersMs: [], firstPerSecond: 0, perSecond: [], cpuMs: new Map() };
}

async function stopSide({ millrace, stack }: Side): Promise<void> {
  await millrace.stop();
  await stack.stop();
}

async function measureTurn(side: Side): Promise<void> {
  const { api } = side.millrace;
  // Without a bus that is the pace of polling.
  if (side.of === 'bus') side.triggersMs.push(...(await sampleTriggers(api, TRIGGERS)));
  const before = cpuOf(side);
  side.perSecond.push(await buildsPerSecond(api, BUILDS));
  for (const [name, ms] of cpuOf(side)) side.cpuMs.set(name, (side.cpuMs.get(name) ?? 0) + ms - before.get(name)!);
}

/** CPU time of each process so far, with its descendants. */
function cpuOf({ millrace: { cluster }, stack, workers }: Side): Map<string, number> {
  const pids: [string, readonly (number | null)[]][] = [
    ['scheduler', cluster.pids('scheduler')],
    ['engine and runner', cluster.pids('engine')],
    ['ui', cluster.pids('ui')],
    ['mariadb', [stack.databasePid]],
    ['crossbar', [stack.bus?.pid ?? null]],
    ['workers', workers.map(({ pid }) => pid)],
  ];
  return new Map(
    pids.map(([name, list]) => [name, list.reduce((sum: number, pid) => sum + (pid ? treeCpuMs(pid) : 0), 0)]),
  );
}

function figuresOf({ of, triggersMs, firstPerSecond, perSecond, cpuMs }: Side): Figure[] {
  const name = `stock workers, ${of}`;
  const cost = [...cpuMs].map(([process, ms]): Figure => ({
    name: `${name}: CPU a build, ${process}`,
    unit: 'ms',
    better: 'less',
    value: ms / (TURNS * BUILDS),
  }));
  const { p50Ms } = latencies(triggersMs);
  return [
    ...(of === 'bus'
      ? [{ name: `${name}: trigger → complete p50`, unit: 'ms', better: 'less', value: p50Ms } as const]
      : []),
    { name: `${name}: trivial builds, the first ${BUILDS}`, unit: '/s', better: 'more', value: firstPerSecond },
    { name: `${name}: trivial builds`, unit: '/s', better: 'more', value: latencies(perSecond).p50Ms },
    ...cost,
  ];
}

/** Runs builds once more while every statement and hint is counted, which costs time itself. */
async function counted({ of, stack, millrace }: Side): Promise<string[]> {
  const { database, cluster, api } = millrace;
  const connections = await database.all<{ id: number; host: string }>(
    'SELECT id, host FROM information_schema.processlist',
  );
  const ports = new Map<number, string>();
  for (const role of ['scheduler', 'engine', 'ui'] as const)
    for (const pid of cluster.pids(role)) for (const port of portsOf(pid)) ports.set(port, role);
  const roles = new Map(connections.map(({ id, host }) => [id, ports.get(Number(host.split(':').at(-1))) ?? 'others']));
  const hints = new Map<string, number>();
  const bus = createBus({ url: stack.bus && of === 'bus' ? stack.bus.url : 'none:' });
  bus.subscribe('', (topic) => {
    const kind = topic.replaceAll(/\d+/g, 'N');
    hints.set(kind, (hints.get(kind) ?? 0) + 1);
  });
  await bus.ready(10_000);
  await database.run(`SET GLOBAL log_output = 'TABLE'`);
  await database.run(`TRUNCATE mysql.general_log`);
  await database.run(`SET GLOBAL general_log = 1`);
  await buildsPerSecond(api, COUNTED);
  await delay(200);
  await database.run(`SET GLOBAL general_log = 0`);
  await bus.close();
  const rows = await database.all<{ id: number; verb: string; count: number }>(
    `SELECT thread_id AS id, UPPER(REGEXP_SUBSTR(argument, '^[A-Za-z]+')) AS verb, COUNT(*) AS count FROM mysql.general_log
     WHERE command_type IN ('Query', 'Execute') GROUP BY 1, 2`,
  );
  const statements = new Map<string, Map<string, number>>();
  for (const { id, verb, count } of rows) {
    const role = roles.get(id) ?? 'others';
    const verbs = statements.get(role) ?? new Map<string, number>();
    statements.set(role, verbs.set(verb, (verbs.get(verb) ?? 0) + Number(count)));
  }
  const name = `stock workers, ${of}`;
  return [
    ...[...statements].map(([role, verbs]) => `${name}: statements a build, ${role}: ${listed(verbs)}`),
    `${name}: hints a build: ${listed(hints)}`,
  ];
}

/** Lists counts per build, the largest first. */
function listed(counts: ReadonlyMap<string, number>): string {
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const parts = [...counts].sort(([, a], [, b]) => b - a).map(([name, count]) => `${rounded(count / COUNTED)} ${name}`);
  return `${rounded(total / COUNTED)} (${parts.join(', ')})`;
}
