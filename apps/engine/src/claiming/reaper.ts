import { hints } from '@millrace/contracts';
import { type BuildKey, ClaimStore, type EndedBuild, type Orphan } from '@millrace/database';
import { FencedError, Result } from '@millrace/domain';
import type { Hints, Master } from '@millrace/master';

/** So long an engine at which a worker arrives may take to adopt what the worker brings along. */
const ADOPTION_TAKES_MS = 10_000;

/** What this engine works on. */
export interface OwnBuilds {
  isRunning(buildId: number): boolean;
  /** Those that it may write about. */
  held(): number[];
  /** Lets go of one that is somebody else's now. */
  lose(buildId: number): void;
}

/** Finds attempts that nobody works on any more and gives their requests back to the queue. */
export class Reaper {
  private readonly store: ClaimStore;
  /** Held without being run, by build, when we looked last. */
  private suspects = new Set<number>();
  /** Run without being held. */
  private strays = new Set<number>();
  /** Since when we know that nobody works on them, by build and epoch. */
  private seenAtMs = new Map<string, number>();

  constructor(
    private readonly master: Master<'engine'>,
    private readonly builds: OwnBuilds,
  ) {
    this.store = new ClaimStore(master.db);
  }

  async round(): Promise<void> {
    const orphans = await this.store.orphans();
    const seenAtMs = new Map<string, number>();
    for (const orphan of orphans) {
      const key = `${orphan.buildId}/${orphan.epoch}`;
      seenAtMs.set(key, this.seenAtMs.get(key) ?? performance.now());
      const waitedMs = orphan.parkedForMs ?? performance.now() - seenAtMs.get(key)!;
      if (!this.mayReap(orphan) || waitedMs < this.patienceMs(orphan)) continue;
      const ended = await this.store.reap(orphan, stateOf(orphan));
      if (!ended) continue;
      this.master.log.info(
        { buildId: orphan.buildId, engine: orphan.master, requeued: ended.requeued },
        'a build that nobody worked on was reaped',
      );
      announceEnd(this.master.hints, ended);
    }
    this.seenAtMs = seenAtMs;
    await this.compareClaims();
  }

  /** How long its worker may take to come back with it (I9). */
  private patienceMs({ mayResume, workerIsElsewhere }: Orphan): number {
    if (!mayResume) return 0;
    return workerIsElsewhere ? ADOPTION_TAKES_MS : this.master.settings.resumeWaitMs;
  }

  /** Our own earlier lives are over for certain; of others that is known only after a whole lease of working polls. */
  private mayReap({ masterId, masterEpoch, engineIsAlive }: Orphan): boolean {
    const { me } = this.master;
    if (engineIsAlive) return true;
    if (masterId !== me.masterId) return this.master.mayTakeOver();
    // Our lease ran out and nobody took this build: it is renewed presently, and the build goes on.
    return masterEpoch !== me.epoch;
  }

  /**
   * A commit whose answer was lost with the connection may have claimed something that we never heard of. What we hold without
   * running it, twice in a row, is such a claim. What we run without holding it was taken over while we were away, and says nothing that would
   * tell us so.
   */
  private async compareClaims(): Promise<void> {
    const running = this.builds.held();
    const held = await this.store.held(this.master.me);
    const unknown = held.filter((key) => !this.builds.isRunning(key.buildId));
    for (const key of unknown) if (this.suspects.has(key.buildId)) await this.giveBack(key);
    this.suspects = new Set(unknown.map((key) => key.buildId));
    const ours = new Set(held.map((key) => key.buildId));
    const lost = running.filter((buildId) => !ours.has(buildId));
    for (const buildId of lost) if (this.strays.has(buildId)) this.builds.lose(buildId);
    this.strays = new Set(lost);
  }

  private async giveBack(key: BuildKey): Promise<void> {
    try {
      const ended = await this.store.end(key, {
        results: Result.RETRY,
        stateString: 'retry: the claim was lost on its way',
      });
      this.master.log.warn({ buildId: key.buildId }, 'a claim that never arrived was given back');
      announceEnd(this.master.hints, ended);
    } catch (error) {
      // It ended in between, as it should have.
      if (!(error instanceof FencedError)) throw error;
    }
  }
}

function stateOf({ master, engineIsAlive, mayResume }: Orphan): string {
  if (engineIsAlive) return 'retry: its worker did not come back';
  return `retry: engine ${master} went away${mayResume ? ', and its worker did not come back' : ''}`;
}

/** Tells everybody how an attempt ended. */
export function announceEnd(bus: Pick<Hints, 'publish'>, ended: EndedBuild): void {
  bus.publish(hints.build(ended.buildId, 'finished'));
  bus.publish(hints.request(ended.requestId, ended.builderId, ended.requeued ? 'unclaimed' : 'complete'));
  if (ended.requeued) bus.publish(hints.queued(ended.builderId));
  if (ended.completedBuildsetId !== null) bus.publish(hints.buildset(ended.completedBuildsetId, 'complete'));
  bus.publish(hints.builder(ended.builderId));
}
