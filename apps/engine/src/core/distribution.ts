/** A queued request that this engine knows of. */
export interface Head {
  readonly requestId: number;
  readonly builderId: number;
  /** −priority: small first. */
  readonly rank: number;
}

export interface FreeWorker {
  readonly workerId: number;
  readonly freeSlots: number;
  /** Builders that it is building now: their folder on it is taken. */
  readonly busyBuilders: ReadonlySet<number>;
  /** Any growing number: the one that has been idle the longest is used first. */
  readonly idleSince: number;
}

export interface Assignment {
  readonly head: Head;
  readonly workerId: number;
}

/**
 * Which requests to claim for which workers: best rank first, then the oldest; a worker that has been idle longest first. Only as many
 * as there are free slots, so that no engine claims what it cannot begin. A worker builds a builder once at a
 * time: the builds of a builder share a folder on it.
 */
export function distribute(
  queues: ReadonlyMap<number, readonly Head[]>,
  workers: readonly FreeWorker[],
  buildersOf: (workerId: number) => ReadonlySet<number>,
): Assignment[] {
  const slots = new Map(workers.map((worker) => [worker.workerId, worker.freeSlots]));
  const candidates = candidatesByBuilder(queues, workers, buildersOf);
  const assignments: Assignment[] = [];
  // Each of a builder's candidates builds it once, so no more of its queue matters.
  const heads = [...candidates].flatMap(([builderId, ids]) => sorted(queues.get(builderId)!).slice(0, ids.length));
  for (const head of sorted(heads)) {
    const ids = candidates.get(head.builderId)!;
    let workerId = ids.shift();
    while (workerId !== undefined && slots.get(workerId) === 0) workerId = ids.shift();
    if (workerId === undefined) continue;
    slots.set(workerId, slots.get(workerId)! - 1);
    assignments.push({ head, workerId });
  }
  return assignments;
}

/**
 * The free workers of each builder that anything is queued for, the longest idle first. There may be thousands of either that have nothing to do
 * with each other: of the builders that wait and those of a worker the fewer are looked at.
 */
function candidatesByBuilder(
  queues: ReadonlyMap<number, readonly Head[]>,
  workers: readonly FreeWorker[],
  buildersOf: (workerId: number) => ReadonlySet<number>,
): Map<number, number[]> {
  const queued = new Set([...queues].flatMap(([builderId, heads]) => (heads.length > 0 ? [builderId] : [])));
  const candidates = new Map<number, number[]>();
  for (const { workerId, freeSlots, busyBuilders } of [...workers].sort((a, b) => a.idleSince - b.idleSince)) {
    if (freeSlots === 0) continue;
    const own = buildersOf(workerId);
    const [fewer, more] = own.size < queued.size ? [own, queued] : [queued, own];
    for (const builderId of fewer) {
      if (!more.has(builderId) || busyBuilders.has(builderId)) continue;
      const ids = candidates.get(builderId);
      if (ids) ids.push(workerId);
      else candidates.set(builderId, [workerId]);
    }
  }
  return candidates;
}

function sorted(heads: readonly Head[]): Head[] {
  return [...heads].sort((a, b) => a.rank - b.rank || a.requestId - b.requestId);
}
