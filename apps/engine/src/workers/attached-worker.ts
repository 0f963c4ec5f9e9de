import { MillraceError } from '@millrace/domain';
import type { WorkerConnection } from '@millrace/worker-protocol';
import type { AvailableWorker } from '../claiming/distributor.js';
import { WorkerSlots } from '../core/worker-slots.js';
import type { Connection } from './connections.js';

/** What becomes of a worker, for whoever keeps its session. */
export interface AttachedWorkerEvents {
  /** Its session is to end; the worker comes back on its own. */
  disconnect(reason: string): void;
  /** A claim for it came to nothing: what is known of it may be old. Not once it is detached. */
  doubted(): void;
  /** It has failed before, and a build on it came to its end, whatever that was. Not once it is detached. */
  recovered(): void;
  /** It was told to shut down. */
  shutDown(): void;
}

export interface AttachedWorkerOptions {
  readonly workerId: number;
  readonly name: string;
  readonly maxBuilds: number;
  /** From the configuration, for every command. */
  readonly env: Readonly<Record<string, string | null>>;
  /** What it logged in with; null: a password. */
  readonly tokenId: number | null;
  /** The connection of the relay that it is behind. */
  readonly relay: Connection | null;
  readonly connection: WorkerConnection;
  readonly sessionEpoch: number;
  readonly events: AttachedWorkerEvents;
}

/** What its row says of a worker. */
export interface WorkerStanding {
  /** It gets no builds: people paused it, or it is in quarantine. */
  readonly isHeld: boolean;
  /** It is to be told to shut down when it is idle. */
  readonly isLeaving: boolean;
  /** That are counted against it. */
  readonly failures: number;
}

/**
 * What is known of its row. Nothing is given to a worker before that has been read, and again after a claim for it came to nothing, which
 * happens a lot while engines compete.
 */
type Knowledge = 'none' | 'doubted' | 'held' | 'ready';
/** How far its end has come. `told`: to shut down. `killed`: it ends at once and does not go on with what it ran. */
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
  /** When the last build was begun on it; null: none was. */
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

  /** Its row has not been read yet, or what was read may be old. */
  get isUnsure(): boolean {
    return this.knowledge === 'none' || this.knowledge === 'doubted';
  }

  /** That is because a claim for it came to nothing. */
  get isDoubted(): boolean {
    return this.knowledge === 'doubted';
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

  /** For how long it has had the build that was begun last; null: none was begun. */
  get sinceBegunMs(): number | null {
    return this.begunAt === null ? null : performance.now() - this.begunAt;
  }

  /** The configuration says something else of it. */
  configure(configured: Pick<AttachedWorkerOptions, 'maxBuilds' | 'env'>): void {
    this.configured = configured;
  }

  /** Its row has been read. */
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

  /** Somebody else has what was to be built on it, or it has no room after all. */
  claimLost(requestId: number): void {
    this.slots.unreserve(requestId);
    this.knowledge = 'doubted';
    if (!this.isDetached) this.events.doubted();
  }

  /** It came back with a build, which goes on here. */
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

  /** A graceful end: it gets no more builds, and is told to end when the last one has. */
  leave(): void {
    if (this.leaving === 'no') this.leaving = 'when-idle';
    this.shutDownIfIdle();
  }

  /** Ends it at once, with what it runs. */
  kill(reason: string): void {
    if (this.isKilled) return;
    this.leaving = 'killed';
    // Its commands end with it; their builds lose their worker, and are retried.
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
        // A worker that ends at once takes its answer with it.
        if (error instanceof MillraceError && error.code === 'worker-lost') this.events.shutDown();
        else this.disconnect('it could not be told to shut down');
      },
    );
  }
}

/** A worker that does not answer is cut off all the same. */
const KILL_WITHIN_MS = 2000;
