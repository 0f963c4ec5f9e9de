/** A queued request that this engine knows of. */
export interface Head {
  readonly requestId: number;
  readonly builderId: number;
  /** −priority: the lowest comes first. */
  readonly rank: number;
}

/** A worker that can take builds. */
export interface FreeWorker {
  readonly workerId: number;
  /** `startable`: the worker has no session, and gets one when it is needed. */
  readonly state: 'attached' | 'startable';
  readonly freeSlots: number;
  /** Builders that the worker is building now: their folder on it is taken. */
  readonly busyBuilders: ReadonlySet<number>;
  /** Any increasing number: the worker that has been idle for longest is used first. */
  readonly idleSince: number;
}

export interface Assignment<W extends FreeWorker> {
  readonly head: Head;
  readonly worker: W;
}

/** The limits of locks to a distribution. */
export interface LockLimits {
  /** Whether builds of the builder take locks. Its requests are claimed one after the other, because each decides about the next. */
  isLocked(builderId: number): boolean;
  /** Whether the builder's next request waits for a lock that it needs on that worker. */
  waits(builderId: number, workerId: number): boolean;
}

const NO_LOCKS: LockLimits = { isLocked: () => false, waits: () => false };

/**
 * Decides which requests to claim for which workers. Requests: best rank first, then the oldest. Workers: attached ones before those that
 * have to be started, then the one that has been idle longest. Only as many as there are free slots, so that no engine claims what it
 * cannot begin. A worker builds a builder once at a time, because the builds of a builder share a folder on it.
 */
export function distribute<W extends FreeWorker>(
  queues: ReadonlyMap<number, readonly Head[]>,
  workers: readonly W[],
  buildersOf: (workerId: number) => ReadonlySet<number>,
  locks: LockLimits = NO_LOCKS,
): Assignment<W>[] {
  const slots = new Map(workers.map((worker) => [worker.workerId, worker.freeSlots]));
  const candidates = candidatesByBuilder(queues, workers, buildersOf, locks);
  const assignments: Assignment<W>[] = [];
  // Each of a builder's candidates builds it once, so no more of its queue matters.
  const heads = [...candidates].flatMap(([builderId, able]) =>
    sorted(queues.get(builderId)!).slice(0, locks.isLocked(builderId) ? 1 : able.length),
  );
  for (const head of sorted(heads)) {
    const able = candidates.get(head.builderId)!;
    let worker = able.shift();
    while (worker && slots.get(worker.workerId) === 0) worker = able.shift();
    if (!worker) continue;
    slots.set(worker.workerId, slots.get(worker.workerId)! - 1);
    assignments.push({ head, worker });
  }
  return assignments;
}

/**
 * Returns the free workers of each builder with queued requests, the best first. There may be thousands of builders and workers that have
 * nothing to do with each other, so the smaller of the two sets is iterated: the waiting builders or a worker's builders.
 */
function candidatesByBuilder<W extends FreeWorker>(
  queues: ReadonlyMap<number, readonly Head[]>,
  workers: readonly W[],
  buildersOf: (workerId: number) => ReadonlySet<number>,
  locks: LockLimits,
): Map<number, W[]> {
  const queued = new Set([...queues].flatMap(([builderId, heads]) => (heads.length > 0 ? [builderId] : [])));
  const candidates = new Map<number, W[]>();
  for (const worker of [...workers].sort(bestFirst)) {
    const { workerId, freeSlots, busyBuilders } = worker;
    if (freeSlots === 0) continue;
    const own = buildersOf(workerId);
    const [fewer, more] = own.size < queued.size ? [own, queued] : [queued, own];
    for (const builderId of fewer) {
      if (!more.has(builderId) || busyBuilders.has(builderId) || locks.waits(builderId, workerId)) continue;
      const able = candidates.get(builderId);
      if (able) able.push(worker);
      else candidates.set(builderId, [worker]);
    }
  }
  return candidates;
}

function bestFirst(a: FreeWorker, b: FreeWorker): number {
  if (a.state !== b.state) return a.state === 'attached' ? -1 : 1;
  return a.idleSince - b.idleSince;
}

function sorted(heads: readonly Head[]): Head[] {
  return [...heads].sort((a, b) => a.rank - b.rank || a.requestId - b.requestId);
}
