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
/** The rows of more workers than these are read by reading all. */
const READ_ONE_BY_ONE = 500;
/** For a worker to say what it is. */
const ATTACH_WITHIN_MS = 30_000;

/** The socket under a session, as far as a session is concerned with it. */
export interface SessionSocket {
  readonly protocol: WorkerProtocol;
  /** The worker's own, also behind a balancer. */
  readonly address: string;
  /** That of the relay that carries it. */
  readonly relay?: Connection;
  readonly isOpen: boolean;
  readonly isPaused: boolean;
  pause(): void;
  resume(): void;
  /** At once, without a farewell. */
  terminate(): void;
}

/** What becomes of the builds of workers that come and go. */
export abstract class BuildsOfWorkers {
  /** Takes over what the worker still holds of earlier sessions (I9), before it is offered any work. */
  abstract adopt(worker: AttachedWorker): Promise<void>;
  /** The worker's connection is gone. */
  abstract workerAway(worker: AttachedWorker): void;
}

/** The workers that are attached to this engine, whatever protocol they speak. */
@Injectable()
export class WorkerSessions implements OnModuleInit, OnModuleDestroy {
  /** Sessions that began, since the start. */
  attaches = 0;
  readonly attached = new Map<number, AttachedWorker>();
  private readonly pressure = new BackPressure();
  private readonly byConnection = new WeakMap<WorkerConnection, AttachedWorker>();
  /** Those whose rows are to be read again. */
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

  /** Connections that are closed from now on are closed by us. */
  onModuleDestroy(): void {
    this.isClosing = true;
  }

  /** Reads from the socket only as long as what was read gets stored. */
  holdBack(connection: WorkerConnection, socket: SessionSocket): void {
    const judge = this.pressure.share();
    connection.onUnacknowledged = (bytes) => {
      const action = judge(bytes, socket.isPaused);
      if (action === 'pause') socket.pause();
      else if (action === 'resume') socket.resume();
    };
  }

  /**
   * Makes way for another connection of that worker.
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

  /** Attaches a worker that has logged in. Nothing happens when its connection is lost meanwhile. */
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
    // Meanwhile another connection of it may have attached, and the configuration or its token may have gone.
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

  /** The worker asked for a graceful end. */
  leave(connection: WorkerConnection): void {
    const worker = this.byConnection.get(connection);
    if (!worker) return;
    this.log.info({ worker: worker.name, builds: worker.builds }, 'worker asked to be shut down');
    // Recorded first: an engine that dies now leaves the wish to the next one.
    this.store
      .leaving(worker.workerId, worker.sessionEpoch)
      .then(() => this.changed(worker.workerId))
      .catch((error: unknown) => this.trouble(worker, error, 'its wish to be shut down was not recorded'))
      .finally(() => worker.leave());
  }

  /** The connection is gone. */
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
   * Reads what is wanted of these workers or of all: who is paused, is to leave or to be killed; and lets go of those that have a newer
   * session elsewhere (I11). By poll of all, for the hints that were lost (I1).
   */
  refresh(workerIds: Iterable<number> = this.attached.keys()): Promise<void> {
    for (const id of workerIds) if (this.attached.has(id)) this.stale.add(id);
    return this.stale.size === 0 ? Promise.resolve() : this.readStale();
  }

  /** The same for one worker, at once, when nobody waits for it: after a hint, or when a claim for it came to nothing. */
  recheck(workerId: number): void {
    // It stays as it is until the next poll.
    this.refresh([workerId]).catch((error: unknown) => this.trouble({ name: null }, error, 'reading a worker failed'));
  }

  /** Those that wait for builds of other engines to end. */
  recheckFull(): void {
    for (const worker of this.attached.values()) if (worker.hasBuildsElsewhere) this.recheck(worker.workerId);
  }

  /** The configuration, or what workers may log in with, is another one. */
  reconfigured(): void {
    const { workers } = this.directory;
    for (const worker of this.attached.values()) {
      const configured = workers.get(worker.name);
      if (!configured) worker.disconnect('it is no longer configured');
      else if (!this.mayStay(worker)) worker.disconnect('its token was revoked');
      else worker.configure(configured);
    }
  }

  /** Asks a new worker what it is. @throws OperationalError, after it has been counted against the worker */
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
    const uncounted = workers.filter((worker) => worker.isUnsure || worker.hasBuildsElsewhere);
    const busy = await this.store.buildersBusyOn(uncounted.map((worker) => worker.workerId));
    for (const worker of uncounted) worker.countBuilds(busy.get(worker.workerId) ?? []);
    for (const worker of workers) {
      if (this.attached.get(worker.workerId) !== worker) continue;
      const { freeSlots: before, isDoubted } = worker;
      this.apply(worker, states.get(worker.workerId));
      if (worker.freeSlots <= before) continue;
      // What is known of the queues will do for one that was in doubt.
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

  /** Whether what it logged in with still lets it in. */
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
