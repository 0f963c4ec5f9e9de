import { type Cluster, eventually, type Extra, type Service } from '@millrace/testing';
import type { Kind } from './judge.js';

/** A process that may be killed. */
export interface Place {
  readonly kind: Kind;
  readonly name: string;
  /** The name that `Cluster.add` was given; null for what `millrace start` runs, runners and the bus. */
  readonly added: string | null;
  /** The worker whose builds its death hits. */
  readonly worker: string | null;
  pids(): number[];
  readonly readyUrl: string | null;
}

/** Names of the workers: one per engine, as in `e2e/fixtures/chaos.config.ts`. */
export const FIRST_WORKER = 'local';
export const OTHER_WORKERS = ['second', 'third'];

/**
 * Starts the cluster of the scenario: what `millrace start` runs, and beside it a second scheduler and two engines, each with a worker.
 * @param uis how many UIs: 1 or 2
 */
export async function assemble(cluster: Cluster, bus: Service | null, uis: number): Promise<Place[]> {
  const ready = (port: number): string => `http://127.0.0.1:${port}/readyz`;
  const pidOf = (extra: Extra): number[] => (extra.process.pid === null ? [] : [extra.process.pid]);
  const started = (kind: 'scheduler' | 'engine' | 'ui', name: string, worker: string | null): Place => ({
    kind,
    name,
    added: null,
    worker,
    pids: () => cluster.pids(kind),
    readyUrl: ready(cluster.ports[kind]),
  });
  const addMaster = async (kind: 'scheduler' | 'engine' | 'ui', name: string, worker: string | null) => {
    const extra = await cluster.add(kind, name);
    return {
      extra,
      place: { kind, name, added: name, worker, pids: () => pidOf(extra), readyUrl: ready(extra.httpPort!) },
    };
  };
  const others: Place[] = [(await addMaster('scheduler', 'scheduler-2', null)).place];
  for (const [i, name] of OTHER_WORKERS.entries()) {
    const number = i + 2;
    const engine = await addMaster('engine', `engine-${number}`, name);
    const worker = await cluster.add('worker', name, engine.extra.workerPort!);
    const runners = (): number[] => cluster.runnersOf(pidOf(engine.extra));
    others.push(
      engine.place,
      { kind: 'runner', name: `runner-${number}`, added: null, worker: name, pids: runners, readyUrl: null },
      {
        kind: 'worker',
        name: `worker-${number}`,
        added: name,
        worker: name,
        pids: () => pidOf(worker),
        readyUrl: null,
      },
    );
  }
  for (let number = 2; number <= uis; number++) others.push((await addMaster('ui', `ui-${number}`, null)).place);
  const local = { added: null, worker: FIRST_WORKER, readyUrl: null } as const;
  // A separate bus server is killed through its service, which knows its process group.
  const router = (): number[] => (bus ? [bus.pid] : cluster.pids('router'));
  return [
    started('scheduler', 'scheduler-1', null),
    started('engine', 'engine-1', FIRST_WORKER),
    { kind: 'runner', name: 'runner-1', ...local, pids: () => cluster.pids('runner') },
    { kind: 'worker', name: 'worker-1', ...local, pids: () => cluster.pids('worker') },
    started('ui', 'ui', null),
    ...others,
    { kind: 'bus', name: 'bus', added: null, worker: null, pids: router, readyUrl: null },
  ];
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
