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
 * as there are free slots, so that no engine claims what it cannot begin (design §5 *Picking work*). A worker builds a builder once at a
 * time: the builds of a builder share a folder on it.
 */
export function distribute(
  heads: readonly Head[],
  workers: readonly FreeWorker[],
  mayBuild: (builderId: number, workerId: number) => boolean,
): Assignment[] {
  const slots = new Map(workers.map((worker) => [worker.workerId, worker.freeSlots]));
  const busy = new Map(workers.map((worker) => [worker.workerId, new Set(worker.busyBuilders)]));
  const byIdleness = [...workers].sort((a, b) => a.idleSince - b.idleSince);
  let free = workers.reduce((sum, worker) => sum + worker.freeSlots, 0);
  const assignments: Assignment[] = [];
  for (const head of [...heads].sort((a, b) => a.rank - b.rank || a.requestId - b.requestId)) {
    if (free === 0) break;
    const worker = byIdleness.find(
      ({ workerId }) =>
        slots.get(workerId)! > 0 && !busy.get(workerId)!.has(head.builderId) && mayBuild(head.builderId, workerId),
    );
    if (!worker) continue;
    busy.get(worker.workerId)!.add(head.builderId);
    slots.set(worker.workerId, slots.get(worker.workerId)! - 1);
    free -= 1;
    assignments.push({ head, workerId: worker.workerId });
  }
  return assignments;
}
