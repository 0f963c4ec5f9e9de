import { MillraceError } from '@millrace/domain';
import type { WorkerConnection } from '@millrace/worker-protocol';
import type { AvailableWorker } from '../claiming/distributor.js';
import type { WorkerFolders } from '../core/worker-path.js';
import { WorkerSlots } from '../core/worker-slots.js';
import type { Connection } from './connections.js';

/** Events of a worker, for the owner of its session. */
export interface AttachedWorkerEvents {
  /** Its session has to be ended. The worker connects again on its own. */
  disconnect(reason: string): void;
  /** A claim for the worker failed: its known state may be old. Not called once it is detached. */
  doubted(): void;
  /** A build on it ended, in any way, after earlier failures of the worker. Not called once it is detached. */
  recovered(): void;
  /** The worker was told to shut down. */
  shutDown(): void;
}

export interface AttachedWorkerOptions {
  readonly workerId: number;
  readonly name: string;
  readonly maxBuilds: number;
  /** Environment of every command, from the configuration. */
  readonly env: Readonly<Record<string, string | null>>;
  /** The token it logged in with; null for a password. */
  readonly tokenId: number | null;
  /** The connection of its relay, if any. */
  readonly relay: Connection | null;
  readonly connection: WorkerConnection;
  readonly sessionEpoch: number;
  readonly events: AttachedWorkerEvents;
}

/** The state in the worker's row. */
export interface WorkerStanding {
  /** True when the worker gets no builds, because people paused it or it is in quarantine. */
  readonly isHeld: boolean;
  /** Whether the worker is to be shut down when it is idle. */
  readonly isLeaving: boolean;
  /** Failures counted against it. */
  readonly failures: number;
}

/**
 * What is known of its row. The worker gets no builds before the row has been read, and again after a claim for it failed, which happens
 * often while engines compete.
 */
type Knowledge = 'none' | 'doubted' | 'held' | 'ready';
/** The progress of its end. `told`: it was told to shut down. `killed`: it ends at once and does not go on with its commands. */
type Leaving = 'no' | 'when-idle' | 'told' | 'killed';

/** A worker with a session on this engine. */
export class AttachedWorker implements AvailableWorker {
  readonly state = 'attached';
  readonly workerId: number;
  readonly name: string;
  readonly connection: WorkerConnection;
  readonly sessionEpoch: number;
  readonly tokenId: number | null;
  readonly relay: Connection | null;
  private readonly events: AttachedWorkerEvents;
  private readonly slots = new WorkerSlots();
  private configured: Pick<AttachedWorkerOptions, 'maxBuilds' | 'env'>;
  private knowledge: Knowledge = 'none';
  private leaving: Leaving = 'no';
  private failures = 0;
  private isDetached = false;
  private idleAt = performance.now();
  /** When the last build began on it; null before the first. */
  private begunAt: number | null = null;

  constructor(options: AttachedWorkerOptions) {
    this.workerId = options.workerId;
    this.name = options.name;
    this.connection = options.connection;
    this.sessionEpoch = options.sessionEpoch;
    this.tokenId = options.tokenId;
    this.relay = options.relay;
    this.events = options.events;
    this.configured = options;
  }

  get folders(): WorkerFolders {
    return this.connection.info;
  }

  get env(): AttachedWorkerOptions['env'] {
    return this.configured.env;
  }

  get freeSlots(): number {
    if (this.knowledge !== 'ready' || this.leaving !== 'no') return 0;
    return Math.max(0, this.configured.maxBuilds - this.slots.taken);
  }

  get idleSince(): number {
    return this.idleAt;
  }

  get isKilled(): boolean {
    return this.leaving === 'killed';
  }

  /** True when its row has not been read yet, or what was read may be old. */
  get isUnsure(): boolean {
    return this.knowledge === 'none' || this.knowledge === 'doubted';
  }

  /** True when that is because a claim for it failed. */
  get isDoubted(): boolean {
    return this.knowledge === 'doubted';
  }

  get busyBuilders(): ReadonlySet<number> {
    return this.slots.busyBuilders;
  }

  /** Number of its builds on this engine. */
  get builds(): number {
    return this.slots.builds;
  }

  /** True when it has no build on this engine and no pending claim. */
  get isIdle(): boolean {
    return this.slots.isIdle;
  }

  /** True when builds of other engines count against its `maxBuilds`. */
  get hasBuildsElsewhere(): boolean {
    return this.slots.isSharedElsewhere;
  }

  /** Sets the builders of its builds, on all engines together. */
  countBuilds(builderIds: readonly number[]): void {
    this.slots.countElsewhere(builderIds);
  }

  /** Time since its last build began; null before the first. */
  get sinceBegunMs(): number | null {
    return this.begunAt === null ? null : performance.now() - this.begunAt;
  }

  /** Sets changed values of the configuration. */
  configure(configured: Pick<AttachedWorkerOptions, 'maxBuilds' | 'env'>): void {
    this.configured = configured;
  }

  /** Sets the state that was read from its row. */
  know({ isHeld, isLeaving, failures }: WorkerStanding): void {
    this.knowledge = isHeld ? 'held' : 'ready';
    this.failures = failures;
    if (isLeaving) this.leave();
    else if (this.leaving === 'when-idle') this.leaving = 'no';
  }

  reserve(requestId: number, builderId: number): void {
    this.slots.reserve(requestId, builderId);
  }

  claimWon(build: { readonly requestId: number; readonly buildId: number; readonly builderId: number }): void {
    this.slots.unreserve(build.requestId);
    this.slots.begin(build.buildId, build.builderId);
    this.begunAt = performance.now();
  }

  /** Frees the slot of a claim that failed: another engine has the request, or the worker has no room after all. */
  claimLost(requestId: number): void {
    this.slots.unreserve(requestId);
    this.knowledge = 'doubted';
    if (!this.isDetached) this.events.doubted();
  }

  /** Frees the slot of a claim that has to wait for a lock, which says nothing about the worker. */
  claimWaits(requestId: number): void {
    this.slots.unreserve(requestId);
  }

  /** Records a build that the worker brought back and that goes on here. */
  goesOnWith(buildId: number, builderId: number): void {
    this.slots.begin(buildId, builderId);
  }

  release(buildId: number): void {
    if (this.slots.release(buildId) && this.failures > 0 && !this.isDetached) {
      this.failures = 0;
      this.events.recovered();
    }
    this.idleAt = performance.now();
    this.shutDownIfIdle();
  }

  /** Ends it gracefully: it gets no more builds, and is told to shut down when the last one has ended. */
  leave(): void {
    if (this.leaving === 'no') this.leaving = 'when-idle';
    this.shutDownIfIdle();
  }

  /** Ends it at once, with its commands. */
  kill(reason: string): void {
    if (this.isKilled) return;
    this.leaving = 'killed';
    // Its commands end with it. Their builds lose their worker, and are retried.
    this.connection
      .shutdown()
      .catch(() => undefined)
      .finally(() => this.disconnect(reason));
    setTimeout(() => this.disconnect(reason), KILL_WITHIN_MS).unref();
  }

  disconnect(reason: string): void {
    this.events.disconnect(reason);
  }

  /** The connection is gone. */
  detached(): void {
    this.isDetached = true;
  }

  private shutDownIfIdle(): void {
    if (this.leaving !== 'when-idle' || !this.isIdle) return;
    this.leaving = 'told';
    this.connection.shutdown().then(
      () => this.events.shutDown(),
      (error: unknown) => {
        // A worker that ends at once may not send its answer.
        if (error instanceof MillraceError && error.code === 'worker-lost') this.events.shutDown();
        else this.disconnect('it could not be told to shut down');
      },
    );
  }
}

/** A worker that does not answer in this time is cut off. */
const KILL_WITHIN_MS = 2000;
