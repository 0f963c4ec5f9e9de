import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { type CompiledWorker, hints } from '@millrace/contracts';
import { WorkerStore } from '@millrace/database';
import { messageOf } from '@millrace/domain';
import { type Master, portTaken } from '@millrace/master';
import { MsgpackMasterSession, parseBasicAuthorization } from '@millrace/worker-protocol';
import { type RawData, type WebSocket, WebSocketServer } from 'ws';
import { AttachedWorker } from './attached-worker.js';
import { Login } from './login.js';

const MAX_FRAME_BYTES = 64 << 20;
const PING_EVERY_MS = 20_000;
/** A worker whose unacknowledged updates exceed this is not read from until they are below the other mark (I8). */
const HIGH_WATER_BYTES = 8 << 20;
const LOW_WATER_BYTES = 2 << 20;
const DUPLICATE_PING_MS = 3000;

/** What the listener needs to know of the configuration in force. */
export interface WorkerDirectory {
  readonly workers: ReadonlyMap<string, CompiledWorker>;
  readonly workerIds: ReadonlyMap<string, number>;
}

/** Accepts workers over msgpack/WebSocket and keeps their sessions. */
export class WorkerListener {
  readonly attached = new Map<number, AttachedWorker>();
  private readonly server: Server;
  private readonly sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: MAX_FRAME_BYTES,
  });
  private readonly login = new Login();
  private readonly store: WorkerStore;
  private readonly alive = new WeakSet<WebSocket>();
  private pinging: NodeJS.Timeout | null = null;

  constructor(
    private readonly master: Master,
    private readonly directory: () => WorkerDirectory,
    private readonly onAttached: (worker: AttachedWorker) => void,
    private readonly onDetached: (worker: AttachedWorker) => void,
  ) {
    this.store = new WorkerStore(master.db);
    this.server = createServer((_request, response) => {
      response.writeHead(426, { 'content-type': 'text/plain' }).end('Workers connect here by WebSocket.\n');
    });
    this.server.on('upgrade', (request, socket, head) => this.upgrade(request, socket, head));
  }

  async listen(): Promise<void> {
    const { workerHost, workerPort } = this.master.settings;
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', (error: NodeJS.ErrnoException) =>
        reject(error.code === 'EADDRINUSE' ? portTaken(workerPort, 'MILLRACE_WORKER_PORT') : error),
      );
      this.server.listen(workerPort, workerHost, resolve);
    });
    this.pinging = setInterval(() => this.ping(), PING_EVERY_MS);
    this.master.log.info({ address: this.server.address() }, 'workers may connect');
  }

  async close(): Promise<void> {
    if (this.pinging) clearInterval(this.pinging);
    for (const socket of this.sockets.clients) socket.terminate();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  /** Reads who is paused, and lets go of workers that have a newer session elsewhere (I11). */
  async refresh(): Promise<void> {
    if (this.attached.size === 0) return;
    const states = new Map((await this.store.states()).map((state) => [state.workerId, state]));
    for (const worker of this.attached.values()) {
      const state = states.get(worker.workerId);
      if (!state || state.sessionEpoch !== worker.sessionEpoch) worker.disconnect('it has a newer session');
      else worker.paused = state.paused || state.graceful;
    }
  }

  private upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    const refuse = (status: string, reason: string): void => {
      this.master.log.warn({ reason, from: request.socket.remoteAddress }, 'worker refused');
      socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`);
    };
    let worker: CompiledWorker | null;
    try {
      const credentials = parseBasicAuthorization(request.headers.authorization);
      if (!credentials) return refuse('401 Unauthorized', 'no credentials');
      worker = this.login.check(credentials, this.directory().workers);
      if (!worker) return refuse('401 Unauthorized', `wrong name or password for '${credentials.name}'`);
    } catch (error) {
      return refuse('400 Bad Request', messageOf(error));
    }
    const configured = worker;
    this.sockets.handleUpgrade(request, socket, head, (webSocket) => {
      void this.accept(webSocket, configured).catch((error: unknown) => {
        this.master.log.warn({ worker: configured.name, err: error }, `attaching failed: ${messageOf(error)}`);
        webSocket.terminate();
      });
    });
  }

  private async accept(socket: WebSocket, configured: CompiledWorker): Promise<void> {
    const workerId = this.directory().workerIds.get(configured.name)!;
    const session = new MsgpackMasterSession({
      send: (frame) => socket.send(frame),
      close: (reason) => {
        this.master.log.warn({ worker: configured.name, reason }, 'session closed');
        socket.terminate();
      },
      bufferedBytes: () => socket.bufferedAmount,
    });
    session.onUnacknowledged = (bytes) => {
      if (bytes > HIGH_WATER_BYTES && !socket.isPaused) socket.pause();
      else if (bytes < LOW_WATER_BYTES && socket.isPaused) socket.resume();
    };
    let worker: AttachedWorker | null = null;
    this.alive.add(socket);
    socket.on('pong', () => this.alive.add(socket));
    socket.on('message', (data: RawData, isBinary) => {
      if (isBinary) session.receive(data as Buffer);
    });
    socket.on('error', (error) =>
      this.master.log.warn({ worker: configured.name, err: error }, `socket: ${error.message}`),
    );
    socket.on('close', () => {
      session.closed('the connection was lost');
      if (worker) this.detach(worker);
    });

    const earlier = this.attached.get(workerId);
    if (earlier) await this.displace(earlier);
    const info = await session.attach();
    // What still runs from an earlier connection belongs to an attempt that has been given up.
    await Promise.all(info.runningCommands.map((id) => session.interrupt(id, 'its build was given up')));
    const sessionEpoch = await this.store.attached(workerId, this.master.me, {
      ...info.texts,
      version: info.version,
      system: info.system,
      ...(info.numCpus === null ? {} : { numcpus: info.numCpus }),
    });
    if (socket.readyState !== socket.OPEN) return void (await this.store.detached(workerId, sessionEpoch));
    worker = new AttachedWorker(workerId, configured.name, configured.maxBuilds, session, sessionEpoch, (reason) => {
      this.master.log.info({ worker: configured.name, reason }, 'worker disconnected by us');
      socket.terminate();
    });
    this.attached.set(workerId, worker);
    await this.refresh();
    this.master.log.info({ worker: worker.name, version: info.version }, 'worker attached');
    this.master.hints.publish(hints.worker(workerId, 'connected'));
    this.onAttached(worker);
  }

  /** The same name twice: the old session stays if it still answers (`specs/worker-protocol.md` §2.5). */
  private async displace(earlier: AttachedWorker): Promise<void> {
    const answered = await Promise.race([
      earlier.connection.print('master got a duplicate connection').then(
        () => true,
        () => false,
      ),
      new Promise<false>((resolve) => setTimeout(() => resolve(false), DUPLICATE_PING_MS).unref()),
    ]);
    if (answered && this.attached.get(earlier.workerId) === earlier) {
      throw new Error(`another worker '${earlier.name}' is connected and answers`);
    }
    earlier.disconnect('a new connection took its place');
  }

  private detach(worker: AttachedWorker): void {
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

  private ping(): void {
    for (const socket of this.sockets.clients) {
      // A session that is not read from cannot show its pong: it is alive as long as its socket is.
      if (!this.alive.has(socket) && !socket.isPaused) socket.terminate();
      this.alive.delete(socket);
      socket.ping();
    }
  }
}
