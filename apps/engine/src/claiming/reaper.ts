import { attemptEnded } from '@millrace/contracts';
import { type BuildKey, type ClaimStore, type EndedBuild, type Incarnation, type Orphan } from '@millrace/database';
import { FencedError, Result } from '@millrace/domain';
import type { Hints, Logger } from '@millrace/master';
import { Waits } from '../core/waits.js';

/** Time that an engine may take to adopt the builds of a worker that attaches. */
const ADOPTION_TAKES_MS = 10_000;

/** The builds that this engine works on. */
export interface OwnBuilds {
  isRunning(buildId: number): boolean;
  /** Returns the ids of builds that this engine may write about. */
  held(): number[];
  /** Drops a build that belongs to somebody else now. */
  lose(buildId: number): void;
}

export interface ReaperOptions {
  readonly store: ClaimStore;
  readonly me: Incarnation;
  readonly hints: Pick<Hints, 'publish'>;
  readonly log: Logger;
  /** How long a build without an engine waits for its worker to come back with it. */
  readonly resumeWaitMs: number;
  /** Whether rows of a dead master may be taken over now. */
  readonly mayTakeOver: () => boolean;
  readonly builds: OwnBuilds;
}

/** Finds attempts that nobody works on any more and gives their requests back to the queue. */
export class Reaper {
  /** Builds that were held without being run at the last look. */
  private suspects = new Set<number>();
  /** Builds that were run without being held at the last look. */
  private strays = new Set<number>();
  /** How long builds have waited that nobody works on. */
  private readonly waits = new Waits();

  constructor(private readonly options: ReaperOptions) {}

  async round(): Promise<void> {
    const orphans = await this.options.store.orphans();
    const waiting = orphans.map((orphan) => ({ key: keyOf(orphan), forMs: orphan.parkedForMs ?? 0 }));
    const waitedMs = this.waits.look(waiting, performance.now());
    for (const orphan of orphans) {
      if (!this.mayReap(orphan) || waitedMs.get(keyOf(orphan))! < this.patienceMs(orphan)) continue;
      const ended = await this.options.store.reap(orphan, stateOf(orphan));
      if (!ended) continue;
      this.options.log.info(
        { buildId: orphan.buildId, engine: orphan.master, requeued: ended.requeued },
        'a build that nobody worked on was reaped',
      );
      announceEnd(this.options.hints, ended);
    }
    await this.compareClaims();
  }

  /** Returns how long an orphan's worker may take to come back with it (I9). */
  private patienceMs({ mayResume, workerIsElsewhere }: Orphan): number {
    if (!mayResume) return 0;
    return workerIsElsewhere ? ADOPTION_TAKES_MS : this.options.resumeWaitMs;
  }

  /**
   * Whether an orphan may be reaped. Our own earlier lives are certainly over; about others this is known only after a whole lease of
   * successful polls.
   */
  private mayReap({ masterId, masterEpoch, engineIsAlive }: Orphan): boolean {
    const { me, mayTakeOver } = this.options;
    if (engineIsAlive) return true;
    if (masterId !== me.masterId) return mayTakeOver();
    // Our lease ran out and nobody took this build: the lease is renewed presently, and the build goes on.
    return masterEpoch !== me.epoch;
  }

  /**
   * Compares the claims in the database with the running builds. When the answer to a commit was lost with the connection, it may have
   * claimed something that we do not know of: a build that is held without being run, twice in a row, is such a claim. A build that is run
   * without being held was taken over while we were away, and nothing else would tell us so.
   */
  private async compareClaims(): Promise<void> {
    const { builds, me } = this.options;
    const running = builds.held();
    const held = await this.options.store.held(me);
    const unknown = held.filter((key) => !builds.isRunning(key.buildId));
    for (const key of unknown) if (this.suspects.has(key.buildId)) await this.giveBack(key);
    this.suspects = new Set(unknown.map((key) => key.buildId));
    const ours = new Set(held.map((key) => key.buildId));
    const lost = running.filter((buildId) => !ours.has(buildId));
    for (const buildId of lost) if (this.strays.has(buildId)) builds.lose(buildId);
    this.strays = new Set(lost);
  }

  private async giveBack(key: BuildKey): Promise<void> {
    try {
      const ended = await this.options.store.end(key, {
        results: Result.RETRY,
        stateString: 'retry: the claim was lost on its way',
      });
      this.options.log.warn({ buildId: key.buildId }, 'a claim that never arrived was given back');
      announceEnd(this.options.hints, ended);
    } catch (error) {
      // The build has ended in between, as it should have.
      if (!(error instanceof FencedError)) throw error;
    }
  }
}

/** Returns an orphan's key. A build that is parked when its engine dies keeps waiting under the same key. */
function keyOf({ buildId, epoch }: Orphan): string {
  return `${buildId}/${epoch}`;
}

function stateOf({ master, engineIsAlive, mayResume }: Orphan): string {
  if (engineIsAlive) return 'retry: its worker did not come back';
  return `retry: engine ${master} went away${mayResume ? ', and its worker did not come back' : ''}`;
}

/** Publishes the hints of an attempt's end. */
export function announceEnd(hints: Pick<Hints, 'publish'>, ended: EndedBuild): void {
  for (const hint of attemptEnded(ended)) hints.publish(hint);
}
