import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Database, openDatabase } from '@millrace/database';
import { Cluster, eventually } from '@millrace/testing';
import type { Figure } from '../figures.js';
import { cpuMs, memoryBytes } from '../processes.js';
import { type StackName, startStack } from '../systems/millrace.js';

const CONFIG = join(import.meta.dirname, '../../configuration/parents.config.ts');
const PARENTS = 500;
const LOOK_MS = 10_000;
const PATIENCE_MS = 300_000;
/** Cancels that are under way at a time. */
const AT_A_TIME = 8;

/** What a cluster takes while nothing but waiting happens. */
interface Look {
  readonly engineMb: number;
  readonly runnerMb: number;
  readonly engineCpuMs: number;
  /** Null where the database does not count them. */
  readonly statements: number | null;
}

/**
 * Measures builds that wait for others: one call begins 500 parents on one engine, and their children stay in the queue. How long until all
 * sleep, what they take then, and how long until all have ended when their children have.
 */
export async function waitingParents(name: StackName): Promise<{ figures: Figure[]; notes: string[] }> {
  const stack = await startStack(name);
  const cluster = await Cluster.start({
    config: CONFIG,
    folder: stack.folder,
    ...(stack.databasePid === null ? {} : { database: stack.url }),
    ...(stack.bus ? { bus: stack.bus.url } : {}),
    env: { BENCH_PARENTS: String(PARENTS), MILLRACE_LOG_LEVEL: 'warn' },
  });
  const db = openDatabase(stack.url, { connections: 1 });
  try {
    const before = await look(cluster, db);
    let mostThreads = 0;
    let startedAt = performance.now();
    await cluster.trigger({ scheduler: 'parents' });
    await eventually(
      async () => {
        mostThreads = Math.max(mostThreads, threadsOf(cluster.pids('runner')[0]!));
        return (await asleep(cluster)) === PARENTS;
      },
      { timeoutMs: PATIENCE_MS, intervalMs: 200, what: 'sleep of all parents' },
    );
    const asleepMs = performance.now() - startedAt;
    const after = await look(cluster, db);
    startedAt = performance.now();
    await cancelChildren(cluster);
    await eventually(async () => (await open(cluster)) === 0, {
      timeoutMs: PATIENCE_MS,
      intervalMs: 200,
      what: 'the end of all parents',
    });
    const endedMs = performance.now() - startedAt;
    const less = (what: string, unit: string, value: number): Figure => ({
      name: `waiting parents: ${what}`,
      unit,
      better: 'less',
      value,
    });
    return {
      figures: [
        less('all asleep', 's', asleepMs / 1000),
        less('memory of engine and runner, asleep', 'MB', after.engineMb + after.runnerMb),
        less('CPU of the engine, asleep', 'ms/s', after.engineCpuMs),
        ...(after.statements === null ? [] : [less('statements, asleep', '/s', after.statements)]),
        less('all ended, from the first cancelled child', 's', endedMs / 1000),
      ],
      notes: [
        `waiting parents: ${PARENTS}; most threads of the runner ${mostThreads}; before them engine ${Math.round(before.engineMb)} MB, ` +
          `runner ${Math.round(before.runnerMb)} MB, ${before.engineCpuMs.toFixed(1)} ms/s of the engine's CPU` +
          (before.statements === null ? '' : `, ${before.statements.toFixed(1)} statements/s`) +
          `; asleep engine ${Math.round(after.engineMb)} MB, runner ${Math.round(after.runnerMb)} MB`,
      ],
    };
  } finally {
    await db.close();
    await cluster.stop();
    await stack.stop();
  }
}

async function look(cluster: Cluster, db: Database): Promise<Look> {
  const [engine] = cluster.pids('engine');
  const [runner] = cluster.pids('runner');
  const [cpu, statements] = [cpuMs(engine!), await questions(db)];
  await delay(LOOK_MS);
  const perSecond = (count: number): number => (count * 1000) / LOOK_MS;
  const asked = await questions(db);
  return {
    engineMb: memoryBytes(engine!) / 2 ** 20,
    runnerMb: memoryBytes(runner!) / 2 ** 20,
    engineCpuMs: perSecond(cpuMs(engine!) - cpu),
    statements: statements === null || asked === null ? null : perSecond(asked - statements),
  };
}

async function questions(db: Database): Promise<number | null> {
  if (db.dialect.name === 'sqlite') return null;
  const row = await db.get<{ Value: string }>(`SHOW GLOBAL STATUS LIKE 'Questions'`);
  return Number(row!.Value);
}

async function asleep(cluster: Cluster): Promise<number> {
  const metrics = await (await fetch(`http://127.0.0.1:${cluster.ports.engine}/metrics`)).text();
  return Number(/^millrace_builds_asleep\S* (\d+)$/m.exec(metrics)?.[1]);
}

async function open(cluster: Cluster): Promise<number> {
  const { builds } = await cluster.api<{ builds: unknown[] }>('/builds?complete=false&limit=1');
  return builds.length;
}

async function cancelChildren(cluster: Cluster): Promise<void> {
  const { buildrequests } = await cluster.api<{ buildrequests: { buildrequestid: number }[] }>(
    `/buildrequests?complete=false&claimed=false&limit=${PARENTS}`,
  );
  const rest = buildrequests.map(({ buildrequestid }) => buildrequestid);
  const cancel = async (): Promise<void> => {
    for (let id = rest.pop(); id !== undefined; id = rest.pop())
      await cluster.call(`/buildrequests/${id}`, 'cancel', { reason: 'the measure goes on' });
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, cancel));
}

function threadsOf(pid: number): number {
  return Number(/^Threads:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}
