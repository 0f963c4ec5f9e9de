import { hints } from '@millrace/contracts';
import { type ClaimCandidate, type ClaimedBuild, ClaimStore, type Journal } from '@millrace/database';
import { FencedError, messageOf, type Properties } from '@millrace/domain';
import { Loop, type Master } from '@millrace/master';
import { distribute, type Head } from '../core/distribution.js';
import type { AttachedWorker } from '../workers/attached-worker.js';

/** Requests kept in memory per builder. */
const HEADS_KEPT = 50;

/** What the configuration in force says about who builds what. */
export interface Assignments {
  /** Builders of this engine, by id. */
  readonly builders: ReadonlyMap<
    number,
    {
      readonly name: string;
      readonly fingerprint: string;
      readonly properties: Properties;
    }
  >;
  buildersOf(workerId: number): ReadonlySet<number>;
  workerProperties(workerId: number): Properties;
}

type Candidate = ClaimCandidate & { readonly fingerprint: string };

/**
 * Brings queued requests and free workers together. The heads of the queues are kept in memory and claimed by primary key, in
 * whatever transaction the journal is about to make; a hint or a poll says when to look at a queue again.
 */
export class Distributor {
  private readonly heads = new Map<number, Head[]>();
  /** Builders whose queue has to be read again before their heads in memory mean anything. */
  private readonly dirty = new Set<number>();
  /**
   * Those of them that a hint named. Their queues are read while every worker is busy, too: otherwise a request with a better rank, or
   * one that was given back, would wait behind all the heads in memory.
   */
  private readonly hinted = new Set<number>();
  private readonly claiming = new Set<number>();
  private readonly store: ClaimStore;
  private readonly loop: Loop;
  private readonly unsubscribe: () => void;
  private stopped = false;
  private readonly underWay = new Set<Promise<void>>();

  constructor(
    private readonly master: Master<'engine'>,
    private readonly journal: Journal,
    private readonly assignments: () => Assignments,
    private readonly workers: () => Iterable<AttachedWorker>,
    /** With the builder's fingerprint at the time of the claim. */
    private readonly begin: (build: ClaimedBuild, worker: AttachedWorker, fingerprint: string) => void,
  ) {
    this.store = new ClaimStore(master.db);
    this.loop = new Loop({ name: 'distributor', everyMs: null, round: () => this.refresh(), log: master.log });
    this.unsubscribe = master.hints.subscribe('queue', (_topic, payload) => this.queued(Number(payload['builderid'])));
  }

  /** Something was queued for the builder. */
  queued(builderId: number): void {
    if (!this.assignments().builders.has(builderId)) return;
    this.dirty.add(builderId);
    this.hinted.add(builderId);
    this.loop.nudge();
  }

  /** Looks at every queue that has anything in it: at start, and by poll for the hints that were lost (I1). */
  async poll(): Promise<void> {
    for (const builderId of await this.store.queuedBuilders()) {
      if (this.assignments().builders.has(builderId)) this.dirty.add(builderId);
    }
    if (this.dirty.size > 0) this.loop.nudge();
  }

  /** Claims at once from the heads in memory; call it in the same turn as a journal write to share its transaction. */
  assign(): void {
    if (this.stopped) return;
    const assignments = this.assignments();
    const { builders } = assignments;
    const free = [...this.workers()].filter((worker) => worker.freeSlots > 0);
    const byId = new Map(free.map((worker) => [worker.workerId, worker]));
    const assigned = distribute(this.heads, free, (workerId) => assignments.buildersOf(workerId));
    if (assigned.length > 0) {
      const candidates = assigned.map(({ head, workerId }): Candidate => {
        const worker = byId.get(workerId)!;
        const builder = builders.get(head.builderId)!;
        this.take(head);
        // The slot is taken from now on, under a name that no build has; the claim's outcome frees it or gives it the build's.
        worker.builds.set(-head.requestId, head.builderId);
        return {
          requestId: head.requestId,
          builderId: head.builderId,
          builderName: builder.name,
          workerId,
          workerName: worker.name,
          sessionEpoch: worker.sessionEpoch,
          fingerprint: builder.fingerprint,
          properties: { ...builder.properties, ...assignments.workerProperties(workerId) },
        };
      });
      const claim = this.claim(candidates, byId).finally(() => this.underWay.delete(claim));
      this.underWay.add(claim);
    }
    // Queues whose heads have run out are looked at again as soon as anybody could use them.
    if (this.dirty.size > 0 && [...this.workers()].some((worker) => worker.freeSlots > 0)) this.loop.nudge();
  }

  /** Claims nothing more; what was being claimed has begun when this resolves. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.unsubscribe();
    await this.loop.stop();
    await Promise.all(this.underWay);
  }

  private async claim(candidates: readonly Candidate[], workers: ReadonlyMap<number, AttachedWorker>): Promise<void> {
    let claimed: ClaimedBuild[] = [];
    try {
      claimed = await this.journal.claim(candidates);
    } catch (error) {
      const level = error instanceof FencedError ? 'debug' : 'error';
      this.master.log[level]({ err: error }, `claiming failed: ${messageOf(error)}`);
    }
    const won = new Map(claimed.map((build) => [build.requestId, build]));
    for (const candidate of candidates) {
      this.claiming.delete(candidate.requestId);
      const worker = workers.get(candidate.workerId)!;
      worker.builds.delete(-candidate.requestId);
      const build = won.get(candidate.requestId);
      if (!build) {
        this.dirty.add(candidate.builderId);
        worker.claimLost();
        continue;
      }
      worker.begin(build.buildId, build.builderId);
      this.begin(build, worker, candidate.fingerprint);
      this.master.hints.publish(hints.request(build.requestId, build.builderId, 'claimed'));
      this.master.hints.publish(hints.build(build.buildId, 'new'));
    }
    if (claimed.length < candidates.length) this.loop.nudge();
  }

  private take(head: Head): void {
    this.claiming.add(head.requestId);
    const left = this.heads.get(head.builderId)!.filter((other) => other.requestId !== head.requestId);
    this.heads.set(head.builderId, left);
    if (left.length === 0) this.dirty.add(head.builderId);
  }

  private async refresh(): Promise<void> {
    const workers = [...this.workers()];
    if (this.stopped || workers.length === 0) return;
    const builderIds = [...(workers.some((worker) => worker.freeSlots > 0) ? this.dirty : this.hinted)];
    for (const builderId of builderIds) {
      this.dirty.delete(builderId);
      this.hinted.delete(builderId);
      try {
        const heads = await this.store.heads(builderId, HEADS_KEPT);
        this.heads.set(
          builderId,
          heads.filter((head) => !this.claiming.has(head.requestId)),
        );
      } catch (error) {
        this.dirty.add(builderId);
        throw error;
      }
    }
    this.assign();
  }
}
