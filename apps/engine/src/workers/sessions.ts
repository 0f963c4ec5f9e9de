import { type CompiledWorker, hints } from '@millrace/contracts';
import { WorkerStore } from '@millrace/database';
import { OperationalError } from '@millrace/domain';
import type { Master } from '@millrace/master';
import { FEATURE_RESUME, type WorkerConnection } from '@millrace/worker-protocol';
import { coalesced } from '../core/coalesced.js';
import { AttachedWorker } from './attached-worker.js';
import type { WorkerDirectory } from './login.js';

/** A worker whose unacknowledged updates exceed this is not read from until they are below the other mark (I8). */
const HIGH_WATER_BYTES = 8 << 20;
const LOW_WATER_BYTES = 2 << 20;
const DUPLICATE_PING_MS = 3000;
/** The rows of more workers than these are read by reading all. */
const READ_ONE_BY_ONE = 500;

/** The socket under a session, as far as a session is concerned with it. */
export interface SessionSocket {
  readonly isOpen: boolean;
  readonly isPaused: boolean;
  pause(): void;
  resume(): void;
  /** At once, without a farewell. */
  terminate(): void;
}

/** Reads from the socket only as long as what was read gets stored. */
export function holdBack(connection: WorkerConnection, socket: SessionSocket): void {
  connection.onUnacknowledged = (bytes) => {
    if (bytes > HIGH_WATER_BYTES && !socket.isPaused) socket.pause();
    else if (bytes < LOW_WATER_BYTES && socket.isPaused) socket.resume();
  };
}

/** The workers that are attached to this engine, whatever protocol they speak. */
export class WorkerSessions {
  readonly attached = new Map<number, AttachedWorker>();
  private readonly byConnection = new WeakMap<WorkerConnection, AttachedWorker>();
  private readonly store: WorkerStore;
  /** Those whose rows are to be read again. */
  private readonly stale = new Set<number>();

  constructor(
    private readonly master: Master,
    private readonly directory: () => WorkerDirectory,
    private readonly onAttached: (worker: AttachedWorker) => void,
    private readonly onDetached: (worker: AttachedWorker) => void,
    /** Takes over what the worker still holds of earlier sessions (I9), before it is offered any work. */
    private readonly adopt: (worker: AttachedWorker) => Promise<void> = () => Promise.resolve(),
  ) {
    this.store = new WorkerStore(master.db);
  }

  /**
   * Makes way for another connection of that worker.
   * @throws OperationalError `duplicate-worker` when the earlier one still answers: it stays (`specs/worker-protocol.md` §2.5)
   */
  async displaceEarlier(configured: CompiledWorker): Promise<void> {
    const earlier = this.attached.get(this.directory().workerIds.get(configured.name)!);
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
  async attach(connection: WorkerConnection, socket: SessionSocket, configured: CompiledWorker): Promise<void> {
    const workerId = this.directory().workerIds.get(configured.name)!;
    const info = await connection.attach();
    const sessionEpoch = await this.store.attached(
      workerId,
      this.master.me,
      {
        ...info.texts,
        version: info.version,
        system: info.system,
        ...(info.numCpus === null ? {} : { numcpus: info.numCpus }),
      },
      info.features.includes(FEATURE_RESUME),
    );
    if (!socket.isOpen) return void (await this.store.detached(workerId, sessionEpoch));
    const worker = new AttachedWorker(
      workerId,
      configured.name,
      configured.maxBuilds,
      connection,
      sessionEpoch,
      (reason) => {
        this.master.log.info({ worker: configured.name, reason }, 'worker disconnected by us');
        socket.terminate();
      },
    );
    this.byConnection.set(connection, worker);
    await this.adopt(worker);
    if (!socket.isOpen) return;
    this.attached.set(workerId, worker);
    await this.refresh([workerId]);
    this.master.log.info({ worker: worker.name, version: info.version }, 'worker attached');
    this.master.hints.publish(hints.worker(workerId, 'connected'));
    this.onAttached(worker);
  }

  /** The worker asked for a graceful end. */
  leave(connection: WorkerConnection): void {
    const worker = this.byConnection.get(connection);
    if (!worker) return;
    this.master.log.info({ worker: worker.name, builds: worker.builds.size }, 'worker asked to be shut down');
    worker.leave();
  }

  /** The connection is gone. */
  detach(connection: WorkerConnection): void {
    const worker = this.byConnection.get(connection);
    if (!worker) return;
    if (this.attached.get(worker.workerId) === worker) this.attached.delete(worker.workerId);
    this.master.log.info({ worker: worker.name }, 'worker detached');
    this.store
      .detached(worker.workerId, worker.sessionEpoch)
      .then(() => this.master.hints.publish(hints.worker(worker.workerId, 'disconnected')))
      .catch((error: unknown) =>
        this.master.log.warn({ worker: worker.name, err: error }, 'detaching was not recorded'),
      );
    this.onDetached(worker);
  }

  /** Reads who is paused, of these workers or of all, and lets go of those that have a newer session elsewhere (I11). */
  refresh(workerIds: Iterable<number> = this.attached.keys()): Promise<void> {
    for (const id of workerIds) if (this.attached.has(id)) this.stale.add(id);
    return this.readStale();
  }

  private readonly readStale = coalesced(async () => {
    const ids = [...this.stale];
    this.stale.clear();
    if (ids.length === 0) return;
    const all = await this.store.states(ids.length > READ_ONE_BY_ONE ? undefined : ids);
    const states = new Map(all.map((state) => [state.workerId, state]));
    for (const id of ids) {
      const worker = this.attached.get(id);
      if (!worker) continue;
      const state = states.get(id);
      if (!state || state.sessionEpoch > worker.sessionEpoch) worker.disconnect('it has a newer session');
      else worker.paused = state.paused || state.graceful;
    }
  });
}
