import { MillraceError } from '@millrace/domain';
import type { WorkerConnection } from '@millrace/worker-protocol';
import type { AvailableWorker } from '../claiming/distributor.js';
import { WorkerSlots } from '../core/worker-slots.js';
import type { Connection } from './connections.js';

/** What becomes of a worker, for whoever keeps its session. */
export interface AttachedWorkerEvents {
  /** A claim for it came to nothing: what is known of it may be old. */
  doubted(): void;
  /** A build on it came to its end, whatever that was, while it was connected. */
  buildEnded(): void;
  /** It was told to shut down. */
  shutDown(): void;
}

const NO_EVENTS: AttachedWorkerEvents = {
  doubted: () => undefined,
  buildEnded: () => undefined,
  shutDown: () => undefined,
};

/** A worker with a session on this engine. */
export class AttachedWorker implements AvailableWorker {
  readonly state = 'attached';
  private readonly slots = new WorkerSlots();
  idleSince = performance.now();
  /** It gets no builds: people paused it, or it is in quarantine. */
  paused = false;
  /** Nothing is given to it until its row has been read (again). */
  unsure = false;
  /** That is because a claim for it came to nothing, which happens a lot while engines compete. */
  doubted = false;
  /** Failures of it that are counted against it. */
  failures = 0;
  /** It was told to end at once: it will not go on with what it ran. */
  killed = false;
  /** From the configuration, for every command. */
  env: Readonly<Record<string, string | null>> = {};
  /** What it logged in with; null: a password. */
  tokenId: number | null = null;
  /** The connection of the relay that it is behind. */
  relay: Connection | null = null;
  events = NO_EVENTS;
  private begunAt = -Infinity;
  private leaving = false;
  private told = false;

  constructor(
    readonly workerId: number,
    readonly name: string,
    public maxBuilds: number,
    readonly connection: WorkerConnection,
    readonly sessionEpoch: number,
    /** Ends the session; the worker comes back on its own. */
    readonly disconnect: (reason: string) => void,
  ) {}

  get freeSlots(): number {
    if (this.paused || this.leaving || this.killed || this.unsure) return 0;
    return Math.max(0, this.maxBuilds - this.slots.taken);
  }

  get busyBuilders(): ReadonlySet<number> {
    return this.slots.busyBuilders;
  }

  /** How many builds of this engine it has. */
  get builds(): number {
    return this.slots.builds;
  }

  /** It neither builds anything for this engine, nor is anything claimed for it. */
  get isIdle(): boolean {
    return this.slots.isIdle;
  }

  /** Other engines still have builds that count against `maxBuilds`. */
  get hasBuildsElsewhere(): boolean {
    return this.slots.isSharedElsewhere;
  }

  /** Says of which builders it has builds, on all engines together. */
  countBuilds(builderIds: readonly number[]): void {
    this.slots.countElsewhere(builderIds);
  }

  /** For how long it has had the build that was begun last. */
  get sinceBegunMs(): number {
    return performance.now() - this.begunAt;
  }

  reserve(requestId: number, builderId: number): void {
    this.slots.reserve(requestId, builderId);
  }

  claimWon(build: { readonly requestId: number; readonly buildId: number; readonly builderId: number }): void {
    this.slots.unreserve(build.requestId);
    this.slots.begin(build.buildId, build.builderId);
    this.begunAt = performance.now();
  }

  /** Somebody else has what was to be built on it, or it has no room after all. */
  claimLost(requestId: number): void {
    this.slots.unreserve(requestId);
    this.unsure = true;
    this.doubted = true;
    this.events.doubted();
  }

  /** It came back with a build, which goes on here. */
  goesOnWith(buildId: number, builderId: number): void {
    this.slots.begin(buildId, builderId);
  }

  release(buildId: number): void {
    if (this.slots.release(buildId)) this.events.buildEnded();
    this.idleSince = performance.now();
    this.shutDownIfIdle();
  }

  /** A graceful end: it gets no more builds, and is told to end when the last one has. */
  leave(): void {
    this.leaving = true;
    this.shutDownIfIdle();
  }

  /** Takes that back, unless it has been told already. */
  stay(): void {
    this.leaving = this.told;
  }

  /** Ends it at once, with what it runs. */
  kill(reason: string): void {
    if (this.killed) return;
    this.killed = true;
    // Its commands end with it; their builds lose their worker, and are retried.
    this.connection
      .shutdown()
      .catch(() => undefined)
      .finally(() => this.disconnect(reason));
    setTimeout(() => this.disconnect(reason), KILL_WITHIN_MS).unref();
  }

  private shutDownIfIdle(): void {
    if (!this.leaving || this.told || this.killed || !this.isIdle) return;
    this.told = true;
    this.connection.shutdown().then(
      () => this.events.shutDown(),
      (error: unknown) => {
        // A worker that ends at once takes its answer with it.
        if (error instanceof MillraceError && error.code === 'worker-lost') this.events.shutDown();
        else this.disconnect('it could not be told to shut down');
      },
    );
  }
}

/** A worker that does not answer is cut off all the same. */
const KILL_WITHIN_MS = 2000;
