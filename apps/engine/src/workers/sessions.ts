import { Inject, Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { type CompiledWorker, hints, isBuildFinished } from '@millrace/contracts';
import {
  type Failed,
  FleetStore,
  type Incarnation,
  type WorkerState,
  WorkerStore,
  WorkerTokenStore,
} from '@millrace/database';
import { messageOf, MillraceError, OperationalError, printable } from '@millrace/domain';
import { Hints, LOG, type Logger, ME } from '@millrace/master';
import { FEATURE_RESUME, type WorkerConnection, type WorkerInfo } from '@millrace/worker-protocol';
import { BackPressure } from '../core/back-pressure.js';
import { coalesced } from '../core/coalesced.js';
import { afterFailure, LOST_AT_ONCE_MS, type WorkerFailure } from '../core/quarantine.js';
import { EngineSignals } from '../builds/engine-signals.js';
import { AttachedWorker } from './attached-worker.js';
import type { Connection, WorkerProtocol } from './connections.js';
import { WorkerDirectory } from './login.js';
import type { LoggedInWorker } from './tokens.js';

const DUPLICATE_PING_MS = 3000;
/** For more workers than this all rows are read. */
const READ_ONE_BY_ONE = 500;
/** Time for a worker to send its information. */
const ATTACH_WITHIN_MS = 30_000;

/** The socket under a session, as the session sees it. */
export interface SessionSocket {
  readonly protocol: WorkerProtocol;
  /** The worker's own address, also behind a balancer. */
  readonly address: string;
  /** The connection of its relay, if any. */
  readonly relay?: Connection;
  readonly isOpen: boolean;
  readonly isPaused: boolean;
  pause(): void;
  resume(): void;
  /** Closes the connection at once, without a closing handshake. */
  terminate(): void;
}

/** Handles the builds of workers that come and go. */
export abstract class BuildsOfWorkers {
  /** Takes over what the worker still holds of earlier sessions (I9), before the worker gets any builds. */
  abstract adopt(worker: AttachedWorker): Promise<void>;
  /** Called when the worker's connection is lost. */
  abstract workerAway(worker: AttachedWorker): void;
}

/** The workers that are attached to this engine, over any protocol. */
@Injectable()
export class WorkerSessions implements OnModuleInit, OnModuleDestroy {
  /** Number of sessions since the start. */
  attaches = 0;
  readonly attached = new Map<number, AttachedWorker>();
  private readonly pressure = new BackPressure();
  private readonly byConnection = new WeakMap<WorkerConnection, AttachedWorker>();
  /** Ids of workers whose rows have to be read again. */
  private readonly stale = new Set<number>();
  private isClosing = false;

  constructor(
    private readonly store: WorkerStore,
    private readonly fleet: FleetStore,
    private readonly tokens: WorkerTokenStore,
    private readonly directory: WorkerDirectory,
    private readonly builds: BuildsOfWorkers,
    private readonly signals: EngineSignals,
    private readonly hints: Hints,
    @Inject(ME) private readonly me: Incarnation,
    @Inject(LOG) private readonly log: Logger,
  ) {}

  onModuleInit(): void {
    this.hints.subscribe('workers', (_topic, payload) => this.recheck(Number(payload['workerid'])));
    this.hints.subscribe('builds', (topic) => {
      if (isBuildFinished(topic)) this.recheckFull();
    });
  }

  /** Records that the engine stops: connections that close from now on are closed by us. */
  onModuleDestroy(): void {
    this.isClosing = true;
  }

  /** Reads from the socket only as long as its data gets stored. */
  holdBack(connection: WorkerConnection, socket: SessionSocket): void {
    const judge = this.pressure.share();
    connection.onUnacknowledged = (bytes) => {
      const action = judge(bytes, socket.isPaused);
      if (action === 'pause') socket.pause();
      else if (action === 'resume') socket.resume();
    };
  }

  /**
   * Makes room for another connection of that worker.
   * @throws OperationalError `duplicate-worker` when the earlier one still answers: it stays (`docs/protocols.md#duplicates`)
   */
  async displaceEarlier(configured: CompiledWorker): Promise<void> {
    const earlier = this.attached.get(this.directory.workerIds.get(configured.name)!);
    if (!earlier) return;
    const answered = await Promise.race([
      earlier.connection.print('master got a duplicate connection').then(
        () => true,
        () => false,
      ),
      new Promise<false>((resolve) => setTimeout(() => resolve(false), DUPLICATE_PING_MS).unref()),
    ]);
    if (answered && this.attached.get(earlier.workerId) === earlier) {
      throw new OperationalError('duplicate-worker', `another worker '${earlier.name}' is connected and answers`, {
        worker: earlier.name,
      });
    }
    earlier.disconnect('a new connection took its place');
  }

  /** Attaches a worker that has logged in. Does nothing when its connection is lost meanwhile. */
  async attach(connection: WorkerConnection, socket: SessionSocket, configured: LoggedInWorker): Promise<void> {
    const workerId = this.directory.workerIds.get(configured.name)!;
    const info = await this.introduce(connection, workerId, configured.name);
    const sessionEpoch = await this.store.attached(
      workerId,
      this.me,
      {
        ...info.texts,
        version: info.version,
        system: info.system,
        ...(info.numCpus === null ? {} : { numcpus: info.numCpus }),
      },
      { resumes: info.features.includes(FEATURE_RESUME), protocol: socket.protocol, address: socket.address },
    );
    if (!socket.isOpen) return void (await this.store.detached(workerId, sessionEpoch));
    const { name, maxBuilds, env, tokenId = null } = configured;
    const worker: AttachedWorker = new AttachedWorker({
      ...{ workerId, name, maxBuilds, env, tokenId, connection, sessionEpoch, relay: socket.relay ?? null },
      events: {
        disconnect: (reason) => {
          if (!socket.isOpen) return;
          this.log.info({ worker: name, reason }, 'worker disconnected by us');
          socket.terminate();
        },
        doubted: () => this.recheck(workerId),
        recovered: () => this.recovered(worker),
        shutDown: () => this.shutDown(worker),
      },
    });
    this.byConnection.set(connection, worker);
    await this.builds.adopt(worker);
    if (!socket.isOpen) return;
    // Meanwhile another connection of this worker may have attached, or its configuration or token may have been removed.
    const other = this.attached.get(workerId);
    if (other && other.sessionEpoch > sessionEpoch) return worker.disconnect('a newer connection took its place');
    if (!this.directory.workers.has(worker.name) || !this.mayStay(worker))
      return worker.disconnect('it may no longer log in');
    other?.disconnect('a new connection took its place');
    this.attached.set(workerId, worker);
    this.hints.publish(hints.worker(workerId, 'connected'));
    if (worker.tokenId !== null) this.used(worker, worker.tokenId);
    this.attaches++;
    await this.refresh([workerId]);
    const version = printable(info.version, 100);
    this.log.info({ worker: worker.name, version, from: socket.address }, 'worker attached');
  }

  /** Handles a worker's request for a graceful end. */
  leave(connection: WorkerConnection): void {
    const worker = this.byConnection.get(connection);
    if (!worker) return;
    this.log.info({ worker: worker.name, builds: worker.builds }, 'worker asked to be shut down');
    // Recorded first, so that the next engine knows of it when this one dies now.
    this.store
      .leaving(worker.workerId, worker.sessionEpoch)
      .then(() => this.changed(worker.workerId))
      .catch((error: unknown) => this.trouble(worker, error, 'its wish to be shut down was not recorded'))
      .finally(() => worker.leave());
  }

  /** Handles the end of a connection. */
  detach(connection: WorkerConnection): void {
    const worker = this.byConnection.get(connection);
    if (!worker) return;
    this.byConnection.delete(connection);
    if (this.attached.get(worker.workerId) === worker) this.attached.delete(worker.workerId);
    worker.detached();
    this.log.info({ worker: worker.name, builds: worker.builds }, 'worker detached');
    const wasLost = !this.isClosing && !worker.isKilled && worker.builds > 0;
    this.store
      .detached(worker.workerId, worker.sessionEpoch)
      .then(() => this.hints.publish(hints.worker(worker.workerId, 'disconnected')))
      .catch((error: unknown) => this.trouble(worker, error, 'detaching was not recorded'));
    const { sinceBegunMs } = worker;
    if (wasLost && sinceBegunMs !== null && sinceBegunMs < LOST_AT_ONCE_MS) {
      this.failed(worker, 'lost', 'it went away at once after a build was begun on it');
    }
    this.builds.workerAway(worker);
  }

  /**
   * Reads the wanted states of these workers or of all: which are paused, to be shut down or to be killed. Also disconnects those that have
   * a newer session elsewhere (I11). All are polled, for the hints that were lost (I1).
   */
  refresh(workerIds: Iterable<number> = this.attached.keys()): Promise<void> {
    for (const id of workerIds) if (this.attached.has(id)) this.stale.add(id);
    return this.stale.size === 0 ? Promise.resolve() : this.readStale();
  }

  /** Reads one worker's row at once, without a caller that waits: after a hint, or when a claim for it failed. */
  recheck(workerId: number): void {
    // The worker's state stays as it is until the next poll.
    this.refresh([workerId]).catch((error: unknown) => this.trouble({ name: null }, error, 'reading a worker failed'));
  }

  /** Reads the rows of workers that may wait for builds of other engines to end. */
  recheckFull(): void {
    for (const worker of this.attached.values()) {
      // A worker in doubt is being counted: what is read may be from before this end.
      if (worker.hasBuildsElsewhere || worker.isUnsure) this.recheck(worker.workerId);
    }
  }

  /** Handles a new configuration, or new tokens. */
  reconfigured(): void {
    const { workers } = this.directory;
    for (const worker of this.attached.values()) {
      const configured = workers.get(worker.name);
      if (!configured) worker.disconnect('it is no longer configured');
      else if (!this.mayStay(worker)) worker.disconnect('its token was revoked');
      else worker.configure(configured);
    }
  }

  /**
   * Asks a new worker for its information.
   * @throws OperationalError, after the failure has been counted against the worker
   */
  private async introduce(connection: WorkerConnection, workerId: number, name: string): Promise<WorkerInfo> {
    const silence = new AbortController();
    try {
      const info = await Promise.race([
        connection.attach(),
        new Promise<never>((_resolve, reject) => {
          const timer = setTimeout(
            () =>
              reject(new OperationalError('attach-timeout', `it did not say what it is within ${ATTACH_WITHIN_MS} ms`)),
            ATTACH_WITHIN_MS,
          );
          silence.signal.addEventListener('abort', () => clearTimeout(timer));
        }),
      ]);
      if (info.basedir === '') throw new OperationalError('no-basedir', 'it has no base directory');
      return info;
    } catch (error) {
      const wasLost = error instanceof MillraceError && error.code === 'worker-lost';
      this.failed({ workerId, name }, wasLost ? 'lost' : 'attach', `attaching failed: ${messageOf(error)}`);
      throw error;
    } finally {
      silence.abort();
    }
  }

  private readonly readStale = coalesced(async () => {
    const workers = [...this.stale].flatMap((id) => this.attached.get(id) ?? []);
    this.stale.clear();
    if (workers.length === 0) return;
    const ids = workers.map((worker) => worker.workerId);
    const all = await this.store.states(ids.length > READ_ONE_BY_ONE ? undefined : ids);
    const states = new Map(all.map((state) => [state.workerId, state]));
    const uncounted = new Set(workers.filter((worker) => worker.isUnsure || worker.hasBuildsElsewhere));
    const busy = await this.store.buildersBusyOn([...uncounted].map((worker) => worker.workerId));
    for (const worker of workers) {
      if (this.attached.get(worker.workerId) !== worker) continue;
      const { freeSlots: before, isDoubted } = worker;
      if (uncounted.has(worker)) worker.countBuilds(busy.get(worker.workerId) ?? []);
      this.apply(worker, states.get(worker.workerId));
      if (worker.freeSlots <= before) continue;
      // For a worker that was in doubt the known heads of the queues are enough.
      if (isDoubted) this.signals.slotFreed.next();
      else this.signals.workersChanged.next();
    }
  });

  private apply(worker: AttachedWorker, state: WorkerState | undefined): void {
    if (!state || state.sessionEpoch > worker.sessionEpoch) return worker.disconnect('it has a newer session');
    if (state.killEpoch === worker.sessionEpoch) {
      return worker.kill(`it was killed${state.shutdownReason === null ? '' : ` (${state.shutdownReason})`}`);
    }
    const { paused, quarantinedForMs, graceful: isLeaving, failures } = state;
    worker.know({ isHeld: paused || quarantinedForMs > 0, isLeaving, failures });
  }

  /** Whether the worker's password or token is still valid. */
  private mayStay({ tokenId }: AttachedWorker): boolean {
    return tokenId === null || this.directory.tokens.isWorking(tokenId);
  }

  private recovered(worker: AttachedWorker): void {
    this.fleet
      .recovered(worker.workerId)
      .then(() => this.changed(worker.workerId))
      .catch((error: unknown) => this.trouble(worker, error, 'its recovery was not recorded'));
  }

  private shutDown(worker: AttachedWorker): void {
    this.log.info({ worker: worker.name }, 'worker was told to shut down');
    this.store
      .left(worker.workerId, worker.sessionEpoch)
      .then(() => this.changed(worker.workerId))
      .catch((error: unknown) => this.trouble(worker, error, 'its shutdown was not recorded'));
  }

  private failed(
    worker: { readonly workerId: number; readonly name: string },
    kind: WorkerFailure,
    reason: string,
  ): void {
    this.fleet
      .failed(worker.workerId, reason, (failures, sinceLastMs): Failed => afterFailure(kind, failures, sinceLastMs))
      .then(({ failures, quarantinedForMs }) => {
        this.log.warn(
          { code: 'worker-failed', worker: worker.name, reason, failures, quarantinedForMs },
          quarantinedForMs > 0 ? 'a worker failed, and gets no builds for a while' : 'a worker failed',
        );
        this.changed(worker.workerId);
      })
      .catch((error: unknown) => this.trouble(worker, error, 'its failure was not recorded'));
  }

  private used(worker: AttachedWorker, tokenId: number): void {
    this.tokens
      .used(tokenId)
      .catch((error: unknown) => this.trouble(worker, error, 'that its token was used was not recorded'));
  }

  private changed(workerId: number): void {
    this.hints.publish(hints.worker(workerId, 'state_updated'));
    this.recheck(workerId);
  }

  private trouble(worker: { readonly name: string | null }, error: unknown, what: string): void {
    this.log.warn({ worker: worker.name, err: error }, `${what}: ${messageOf(error)}`);
  }
}
