import { type BuilderChoices, hints } from '@millrace/contracts';
import type { ClaimCandidate, ClaimedBuild, Claims, ClaimStore, Journal } from '@millrace/database';
import {
  FencedError,
  type LockAccess,
  type LockNeed,
  messageOf,
  type Properties,
  propertiesGiven,
} from '@millrace/domain';
import { type Hints, type Logger, Loop } from '@millrace/master';
import { builtInProperties, type BuiltProject } from '../core/built-in-properties.js';
import { type Assignment, byRank, distribute, type FreeWorker, type Head, type Offer } from '../core/distribution.js';
import { LockQueue } from '../core/lock-queue.js';
import { areAllOf } from '../core/queue-heads.js';
import { QueueLooks } from '../core/queue-looks.js';
import type { WorkerFolders } from '../core/worker-path.js';
import type { Callbacks, Chooser } from './chooser.js';

/** Most requests kept in memory per builder. */
const HEADS_KEPT = 50;

/** Interval at which all ask again that wait for locks, for hints that were lost. Waits count for a multiple of it. */
const ASK_AGAIN_MS = 10_000;

/** The builders and workers of the configuration in force. */
export interface Assignments {
  /** Builders of this engine, by id. */
  readonly builders: ReadonlyMap<
    number,
    {
      readonly name: string;
      readonly tags: readonly string[];
      readonly fingerprint: string;
      readonly properties: Properties;
      /** Its folder below the base directories of workers. */
      readonly builddir: string;
      readonly project: BuiltProject | null;
      /** Undefined when no callback chooses for the builder. */
      readonly choices?: BuilderChoices;
    }
  >;
  /** Handle of the callback that orders builders. */
  readonly prioritizeBuilders?: string;
  /** Null when no callback has a say in who builds what. */
  readonly callbacks: Callbacks | null;
  buildersOf(workerId: number): ReadonlySet<number>;
  workerProperties(workerId: number): Properties;
  /** Whether builds of the builder take locks on any of its workers. */
  isLocked(builderId: number): boolean;
  /**
   * Returns the locks of a builder's build on a worker.
   * @param asked those that a callback named for this build
   */
  locksOf(builderId: number, workerId: number, asked: readonly LockAccess[]): readonly LockNeed[];
}

/** A worker that can take builds: it is attached to this engine, or can be started. */
export interface AvailableWorker extends FreeWorker {
  readonly name: string;
  /** Epoch of the session in which builds begin; undefined when there is none yet. */
  readonly sessionEpoch?: number;
  /** Undefined when it is not attached yet. */
  readonly folders?: WorkerFolders;
  /** Takes a slot. The claim's outcome frees it or gives it to the build. */
  reserve(requestId: number, builderId: number): void;
  claimWon(build: ClaimedBuild): void;
  claimLost(requestId: number): void;
  claimWaits(requestId: number): void;
}

export interface DistributorOptions<W extends AvailableWorker> {
  readonly store: ClaimStore;
  readonly hints: Pick<Hints, 'publish' | 'subscribe' | 'state' | 'onState'>;
  readonly log: Logger;
  readonly pollIntervalMs: number;
  readonly journal: Journal;
  readonly chooser: Chooser<W>;
  readonly assignments: () => Assignments;
  readonly workers: () => Iterable<W>;
  /** Begins a build that was claimed under this fingerprint of its builder. */
  readonly begin: (build: ClaimedBuild, worker: W, fingerprint: string) => void;
}

/** A pending claim. */
interface Claiming<W extends AvailableWorker> {
  readonly worker: W;
  readonly fingerprint: string;
  readonly candidate: ClaimCandidate;
}

/**
 * Assigns queued requests to free workers. The heads of the queues are kept in memory and claimed by primary key, in the journal's next
 * transaction. A hint or a poll tells when to read a queue again.
 */
export class Distributor<W extends AvailableWorker> {
  /** Of builders with queued requests, the best one first. */
  private readonly heads = new Map<number, Head[]>();
  /** Builders whose queue has to be read again before their heads in memory are used. */
  private readonly dirty = new Set<number>();
  /**
   * Dirty builders that a hint named. Their queues are read even while every worker is busy: otherwise a request with a better rank, or one
   * that was given back, would wait behind all the heads in memory.
   */
  private readonly hinted = new Set<number>();
  /** Builders with more queued requests than are kept in memory. The queues of all others were read to their ends. */
  private readonly cut = new Set<number>();
  /** Dirty builders whose queues were no longer than what is kept when all were looked at. They are read together. */
  private readonly short = new Set<number>();
  private readonly looks: QueueLooks;
  private readonly claiming = new Set<number>();
  private readonly lockQueue = new LockQueue();
  /** Builders with locks of which a claim is under way. */
  private readonly asking = new Set<number>();
  private askAgainAt = 0;
  private readonly loop: Loop;
  private readonly unsubscribe: (() => void)[];
  private stopped = false;
  private readonly underWay = new Set<Promise<void>>();

  constructor(private readonly options: DistributorOptions<W>) {
    const { hints, log, pollIntervalMs } = options;
    this.looks = new QueueLooks(pollIntervalMs);
    this.loop = new Loop({ name: 'distributor', everyMs: null, round: () => this.refresh(), log });
    this.unsubscribe = [
      hints.onState(() => this.looks.lost()),
      hints.subscribe('queue', (_topic, payload) => this.queued(Number(payload['builderid']))),
      hints.subscribe('locks', (_topic, payload) => {
        if (this.lockQueue.released(Number(payload['lockid']))) this.loop.nudge();
      }),
    ];
  }

  /** Records that something was queued for the builder. */
  queued(builderId: number): void {
    if (!this.options.assignments().builders.has(builderId)) return;
    this.dirty.add(builderId);
    this.hinted.add(builderId);
    this.short.delete(builderId);
    this.lockQueue.forget(builderId);
    this.options.chooser.forget(builderId);
    this.loop.nudge();
  }

  /** Looks for queues that are not known as they are: at start, and as a poll for the hints that were lost (I1). */
  async poll(): Promise<void> {
    const { hints, assignments } = this.options;
    const isConnected = hints.state === 'connected';
    const now = { nowMs: performance.now(), isConnected, configuration: assignments() };
    const look = this.looks.next(now);
    if (look.kind === 'newer') await this.lookForNew(look.thanRequestId);
    else {
      // Before it is done: hints may be lost meanwhile.
      this.looks.lookingAtAll(now);
      try {
        await this.lookAtAll();
      } catch (error) {
        this.looks.lost();
        throw error;
      }
    }
    const mayChoose = this.options.chooser.clear();
    if (this.mayAskAgain() || mayChoose || this.dirty.size > 0 || this.heads.size > 0) this.loop.nudge();
  }

  private async lookAtAll(): Promise<void> {
    let requests = 0;
    for (const { builderId, ...figures } of await this.options.store.queues()) {
      this.looks.seen(figures.newest);
      requests += figures.requests;
      if (!this.options.assignments().builders.has(builderId)) continue;
      if (areAllOf(this.heads.get(builderId) ?? [], figures)) continue;
      this.dirty.add(builderId);
      if (figures.requests <= HEADS_KEPT) this.short.add(builderId);
    }
    this.looks.sawAll(requests);
  }

  private async lookForNew(thanRequestId: number): Promise<void> {
    for (const { requestId, builderId } of await this.options.store.queuedSince(thanRequestId)) {
      this.looks.seen(requestId);
      if (!this.options.assignments().builders.has(builderId) || this.claiming.has(requestId)) continue;
      if (this.heads.get(builderId)?.some((head) => head.requestId === requestId)) continue;
      this.dirty.add(builderId);
    }
  }

  /** Lets all ask again that wait for locks, every now and then: so they keep their places. Returns whether there are any. */
  private mayAskAgain(): boolean {
    if (performance.now() < this.askAgainAt) return false;
    this.askAgainAt = performance.now() + ASK_AGAIN_MS;
    return this.lockQueue.clear();
  }

  /** Claims from the heads in memory at once. To be called in the same turn as a journal write, to share its transaction. */
  assign(): void {
    if (this.stopped) return;
    const { chooser } = this.options;
    const assignments = this.options.assignments();
    chooser.use(assignments);
    const { assignments: assigned, offers } = distribute({
      queues: this.heads,
      workers: this.freeWorkers(),
      buildersOf: (workerId) => assignments.buildersOf(workerId),
      locks: {
        isLocked: (builderId) => assignments.isLocked(builderId),
        waits: (builderId, workerId) => this.asking.has(builderId) || this.lockQueue.waits(builderId, workerId),
      },
      ...(assignments.callbacks !== null && { choices: chooser }),
    });
    this.claimAll(assigned, assignments);
    for (const offer of offers) this.follow(this.choose(offer));
    // Queues whose heads have run out are read again as soon as a worker is free.
    if (this.dirty.size > 0 && this.freeWorkers().length > 0) this.loop.nudge();
  }

  /** Stops claiming. When it resolves, pending claims have begun. */
  async stop(): Promise<void> {
    this.stopped = true;
    for (const end of this.unsubscribe) end();
    await this.loop.stop();
    await Promise.all(this.underWay);
  }

  /** Lets a builder's callbacks choose. Their answer is advice: what has changed while they thought is looked at again. */
  private async choose(offer: Offer<W>): Promise<void> {
    const { builderId } = offer;
    const before = this.options.assignments();
    const choice = await this.options.chooser.choose(offer, this.heads.get(builderId)!);
    if (this.stopped) return;
    const assignments = this.options.assignments();
    // What callbacks of another configuration said does not count any more: it may not even have the locks that they named.
    if (choice && assignments === before && this.isPossible(choice, assignments)) this.claimAll([choice], assignments);
    // The slots that were kept for this choice are free for others now.
    this.assign();
  }

  private isPossible({ head, worker }: Assignment<W>, assignments: Assignments): boolean {
    const { builderId, requestId } = head;
    return (
      assignments.builders.has(builderId) &&
      assignments.buildersOf(worker.workerId).has(builderId) &&
      this.heads.get(builderId)?.some((other) => other.requestId === requestId) === true &&
      this.freeWorkers().includes(worker) &&
      !worker.busyBuilders.has(builderId)
    );
  }

  private claimAll(assigned: readonly Assignment<W>[], assignments: Assignments): void {
    if (assigned.length === 0) return;
    const claims = assigned.map((assignment) => {
      const { head, worker } = assignment;
      this.take(head);
      worker.reserve(head.requestId, head.builderId);
      if (assignments.isLocked(head.builderId)) this.asking.add(head.builderId);
      return claimOf(assignment, assignments);
    });
    this.follow(this.claim(claims));
  }

  private follow(work: Promise<void>): void {
    const followed = work.finally(() => this.underWay.delete(followed));
    this.underWay.add(followed);
  }

  private freeWorkers(): W[] {
    return [...this.options.workers()].filter((worker) => worker.freeSlots > 0);
  }

  private async claim(claims: readonly Claiming<W>[]): Promise<void> {
    const { journal, log, hints: bus, begin } = this.options;
    const askedAt = this.lockQueue.now;
    let claimed: Claims = { builds: [], waiting: [] };
    try {
      claimed = await journal.claim(claims.map(({ candidate }) => candidate));
    } catch (error) {
      const level = error instanceof FencedError ? 'debug' : 'error';
      log[level]({ err: error }, `claiming failed: ${messageOf(error)}`);
    }
    const won = new Map(claimed.builds.map((build) => [build.requestId, build]));
    const waiting = new Set(claimed.waiting.map(({ requestId }) => requestId));
    for (const { builderId, lock } of claimed.waiting) this.lockQueue.add(builderId, lock.need, askedAt);
    let again = claimed.builds.length < claims.length;
    for (const { candidate, worker, fingerprint } of claims) {
      this.claiming.delete(candidate.requestId);
      // The builder's next request may ask now.
      if (this.asking.delete(candidate.builderId)) again = true;
      const build = won.get(candidate.requestId);
      if (!build) {
        this.dirty.add(candidate.builderId);
        if (waiting.has(candidate.requestId)) worker.claimWaits(candidate.requestId);
        else worker.claimLost(candidate.requestId);
        continue;
      }
      worker.claimWon(build);
      begin(build, worker, fingerprint);
      bus.publish(hints.request(build.requestId, build.builderId, 'claimed'));
      bus.publish(hints.build(build.buildId, 'new'));
    }
    if (again) this.loop.nudge();
  }

  private take(head: Head): void {
    this.claiming.add(head.requestId);
    const left = this.heads.get(head.builderId)!.filter((other) => other.requestId !== head.requestId);
    this.setHeads(head.builderId, left);
    // With a bus, what has been queued since the queue was read to its end is hinted at.
    const mayHaveMore = this.cut.has(head.builderId) || this.options.hints.state !== 'connected';
    if (left.length === 0 && mayHaveMore) this.dirty.add(head.builderId);
  }

  private async refresh(): Promise<void> {
    const workers = [...this.options.workers()];
    if (this.stopped || workers.length === 0) return;
    const builderIds = [...(workers.some((worker) => worker.freeSlots > 0) ? this.dirty : this.hinted)];
    for (const builderId of builderIds) {
      this.dirty.delete(builderId);
      this.hinted.delete(builderId);
    }
    try {
      this.keep(builderIds, await this.readHeads(builderIds));
    } catch (error) {
      for (const builderId of builderIds) this.dirty.add(builderId);
      throw error;
    }
    this.options.chooser.use(this.options.assignments());
    await this.options.chooser.prioritize(this.heads);
    this.assign();
  }

  private async readHeads(builderIds: readonly number[]): Promise<Head[]> {
    const { store } = this.options;
    const short: number[] = [];
    const others: number[] = [];
    for (const builderId of builderIds) (this.short.delete(builderId) ? short : others).push(builderId);
    return [...(await store.heads(others, HEADS_KEPT)), ...(await store.allQueued(short))];
  }

  private keep(builderIds: readonly number[], heads: readonly Head[]): void {
    const read = new Map(builderIds.map((builderId): [number, Head[]] => [builderId, []]));
    for (const head of heads) read.get(head.builderId)!.push(head);
    for (const [builderId, own] of read) {
      if (own.length >= HEADS_KEPT) this.cut.add(builderId);
      else this.cut.delete(builderId);
      const free = own.filter(({ requestId }) => !this.claiming.has(requestId));
      this.setHeads(builderId, free.sort(byRank).slice(0, HEADS_KEPT));
    }
  }

  private setHeads(builderId: number, heads: Head[]): void {
    if (heads.length > 0) this.heads.set(builderId, heads);
    else this.heads.delete(builderId);
  }
}

function claimOf<W extends AvailableWorker>(
  { head, worker, locks: asked }: Assignment<W>,
  assignments: Assignments,
): Claiming<W> {
  const { requestId, builderId } = head;
  const { workerId, name: workerName, sessionEpoch, folders } = worker;
  const { name: builderName, fingerprint, properties, builddir, project } = assignments.builders.get(builderId)!;
  const locks = assignments.locksOf(builderId, workerId, asked ?? []);
  return {
    worker,
    fingerprint,
    candidate: {
      requestId,
      builderId,
      builderName,
      workerId,
      workerName,
      fingerprint,
      properties: propertiesGiven({ builder: properties, worker: assignments.workerProperties(workerId) }),
      builtIn: builtInProperties({ builderId, project, builddir, ...(folders && { folders }) }),
      ...(sessionEpoch !== undefined && { sessionEpoch }),
      ...(locks.length > 0 && { locks }),
      ...(asked && { locksVary: true }),
    },
  };
}
