import type { LockAccess } from '@millrace/domain';

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
  /** The locks that a callback named for the build, beside those that all builds of its builder take on the worker. */
  readonly locks?: readonly LockAccess[];
}

/** A builder whose callbacks have to choose one of its requests, and one of the workers that are free for it. */
export interface Offer<W extends FreeWorker> {
  readonly builderId: number;
  /** The best first, never empty. */
  readonly workers: readonly W[];
}

export interface Distribution<W extends FreeWorker> {
  readonly assignments: readonly Assignment<W>[];
  readonly offers: readonly Offer<W>[];
}

/** The limits of locks to a distribution. */
export interface LockLimits {
  /** Whether builds of the builder take locks. Its requests are claimed one after the other, because each decides about the next. */
  isLocked(builderId: number): boolean;
  /** Whether the builder's next request waits for a lock that it needs on that worker. */
  waits(builderId: number, workerId: number): boolean;
}

/** What callbacks of the configuration have to say to a distribution. */
export interface ChoiceLimits {
  /** Whether callbacks choose for the builder, so that its workers are offered to it. */
  chooses(builderId: number): boolean;
  /** Whether the callbacks have been asked about these workers, and nothing has changed since. */
  rests(builderId: number, workers: readonly FreeWorker[]): boolean;
  /** Number of the worker's slots that are kept for choices under way. */
  kept(workerId: number): number;
  /** The place of a builder among all, the lowest first. It goes before the rank of requests. */
  placeOf(builderId: number): number;
}

export interface DistributionInput<W extends FreeWorker> {
  /** The queue of each builder, the best request first. */
  readonly queues: ReadonlyMap<number, readonly Head[]>;
  readonly workers: readonly W[];
  readonly buildersOf: (workerId: number) => ReadonlySet<number>;
  readonly locks?: LockLimits;
  /** Undefined when no callback has anything to say. */
  readonly choices?: ChoiceLimits;
}

const NO_LOCKS: LockLimits = { isLocked: () => false, waits: () => false };
const NO_CHOICES: ChoiceLimits = { chooses: () => false, rests: () => false, kept: () => 0, placeOf: () => 0 };

/**
 * Decides which requests to claim for which workers. Requests: best rank first, then the oldest. Workers: attached ones before those that
 * have to be started, then the one that has been idle longest. Only as many as there are free slots, so that no engine claims what it
 * cannot begin. A worker builds a builder once at a time, because the builds of a builder share a folder on it.
 *
 * A builder with callbacks is offered all workers that are free when its turn comes, and a slot of each is kept for it: otherwise builders
 * without callbacks, which are faster, would always be there first.
 */
export function distribute<W extends FreeWorker>({
  queues,
  workers,
  buildersOf,
  locks = NO_LOCKS,
  choices = NO_CHOICES,
}: DistributionInput<W>): Distribution<W> {
  const slots = new Map(workers.map((one) => [one.workerId, one.freeSlots - choices.kept(one.workerId)]));
  const hasSlot = ({ workerId }: W): boolean => slots.get(workerId)! > 0;
  const take = ({ workerId }: W): void => void slots.set(workerId, slots.get(workerId)! - 1);
  const candidates = candidatesByBuilder({ queues, workers: workers.filter(hasSlot), buildersOf, locks });
  const assignments: Assignment<W>[] = [];
  const offers: Offer<W>[] = [];
  // Each of a builder's candidates builds it once, so no more of its queue matters.
  const heads: Head[] = [];
  for (const [builderId, able] of candidates) {
    const queue = queues.get(builderId)!;
    const most = locks.isLocked(builderId) || choices.chooses(builderId) ? 1 : able.length;
    for (let i = 0; i < most && i < queue.length; i++) heads.push(queue[i]!);
  }
  heads.sort((a, b) => choices.placeOf(a.builderId) - choices.placeOf(b.builderId) || byRank(a, b));
  for (const head of heads) {
    const { builderId } = head;
    const able = candidates.get(builderId)!;
    if (choices.chooses(builderId)) {
      const offered = able.filter(hasSlot);
      if (offered.length === 0 || choices.rests(builderId, offered)) continue;
      offered.forEach(take);
      offers.push({ builderId, workers: offered });
      continue;
    }
    let worker = able.shift();
    while (worker && !hasSlot(worker)) worker = able.shift();
    if (!worker) continue;
    take(worker);
    assignments.push({ head, worker });
  }
  return { assignments, offers };
}

/**
 * Returns the free workers of each builder with queued requests, the best first. There may be thousands of builders and workers that have
 * nothing to do with each other, so the smaller of the two sets is iterated: the waiting builders or a worker's builders.
 */
function candidatesByBuilder<W extends FreeWorker>({
  queues,
  workers,
  buildersOf,
  locks,
}: Required<Omit<DistributionInput<W>, 'choices'>>): Map<number, W[]> {
  const candidates = new Map<number, W[]>();
  for (const worker of [...workers].sort(bestFirst)) {
    const { workerId, busyBuilders } = worker;
    const own = buildersOf(workerId);
    for (const builderId of own.size < queues.size ? own : queues.keys()) {
      if (!own.has(builderId) || !queues.get(builderId)?.length) continue;
      if (busyBuilders.has(builderId) || locks.waits(builderId, workerId)) continue;
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

/** Compares requests: the best one comes first. */
export function byRank(a: Head, b: Head): number {
  return a.rank - b.rank || a.requestId - b.requestId;
}
