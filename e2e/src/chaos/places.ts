import { type Cluster, eventually, type Extra, type Service } from '@millrace/testing';
import type { Kind } from './judge.js';

/** A process that may be killed. */
export interface Place {
  readonly kind: Kind;
  readonly name: string;
  /** The worker whose builds its death hits. */
  readonly worker: string | null;
  pids(): number[];
  readonly readyUrl: string | null;
}

/** Names of the workers: one per engine, as in `e2e/fixtures/chaos.config.ts`. */
export const FIRST_WORKER = 'local';
export const OTHER_WORKERS = ['second', 'third'];

/** Starts the cluster of the scenario: what `millrace start` runs, and beside it a second scheduler and two engines, each with a worker. */
export async function assemble(cluster: Cluster, bus: Service | null): Promise<Place[]> {
  const scheduler = await cluster.add('scheduler', 'scheduler-2');
  const ready = (port: number): string => `http://127.0.0.1:${port}/readyz`;
  const pidOf = (extra: Extra): number[] => (extra.process.pid === null ? [] : [extra.process.pid]);
  const others: Place[] = [];
  for (const [i, name] of OTHER_WORKERS.entries()) {
    const number = i + 2;
    const engine = await cluster.add('engine', `engine-${number}`);
    const worker = await cluster.add('worker', name, engine.workerPort!);
    const engineIs = { kind: 'engine', name: `engine-${number}`, pids: () => pidOf(engine) } as const;
    const runnerIs = {
      kind: 'runner',
      name: `runner-${number}`,
      pids: () => cluster.runnersOf(pidOf(engine)),
    } as const;
    const workerIs = { kind: 'worker', name: `worker-${number}`, pids: () => pidOf(worker) } as const;
    others.push(
      { ...engineIs, worker: name, readyUrl: ready(engine.httpPort!) },
      { ...runnerIs, worker: name, readyUrl: null },
      { ...workerIs, worker: name, readyUrl: null },
    );
  }
  const places: Place[] = [
    {
      kind: 'scheduler',
      name: 'scheduler-1',
      worker: null,
      pids: () => cluster.pids('scheduler'),
      readyUrl: ready(cluster.ports.scheduler),
    },
    {
      kind: 'scheduler',
      name: 'scheduler-2',
      worker: null,
      pids: () => pidOf(scheduler),
      readyUrl: ready(scheduler.httpPort!),
    },
    {
      kind: 'engine',
      name: 'engine-1',
      worker: FIRST_WORKER,
      pids: () => cluster.pids('engine'),
      readyUrl: ready(cluster.ports.engine),
    },
    { kind: 'runner', name: 'runner-1', worker: FIRST_WORKER, pids: () => cluster.pids('runner'), readyUrl: null },
    { kind: 'worker', name: 'worker-1', worker: FIRST_WORKER, pids: () => cluster.pids('worker'), readyUrl: null },
    { kind: 'ui', name: 'ui', worker: null, pids: () => cluster.pids('ui'), readyUrl: ready(cluster.ports.ui) },
    ...others,
  ];
  // A separate bus server is killed through its service, which knows its process group.
  const router = (): number[] => (bus ? [bus.pid] : cluster.pids('router'));
  return [...places, { kind: 'bus', name: 'bus', worker: null, pids: router, readyUrl: null }];
}

/** Returns what is wrong with the processes that do not run, or are not ready, within `timeoutMs`. */
export async function missingOf(places: readonly Place[], timeoutMs: number): Promise<string[]> {
  const answers = await Promise.all(
    places.map(async (place) => {
      try {
        await eventually(() => isWell(place), { timeoutMs, intervalMs: 100, what: `${place.name} well` });
        return null;
      } catch (error) {
        return `${place.name}: ${String(error)}`;
      }
    }),
  );
  return answers.filter((answer) => answer !== null);
}

async function isWell({ pids, readyUrl }: Place): Promise<boolean> {
  if (pids().length === 0) return false;
  if (!readyUrl) return true;
  const response = await fetch(readyUrl, { signal: AbortSignal.timeout(2000) });
  const { status } = (await response.json()) as { status: string };
  if (status !== 'ok') throw new Error(`it says '${status}'`);
  return true;
}
