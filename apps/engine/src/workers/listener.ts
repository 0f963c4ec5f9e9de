import { createServer as createHttpServer, type IncomingMessage, type Server as HttpServer } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { messageOf } from '@millrace/domain';
import { type Master, portTaken } from '@millrace/master';
import { MsgpackMasterSession, parseBasicAuthorization } from '@millrace/worker-protocol';
import { type RawData, type WebSocket, WebSocketServer } from 'ws';
import type { AttachedWorker } from './attached-worker.js';
import { Login, type WorkerDirectory } from './login.js';
import { PbSockets } from './pb-sockets.js';
import { holdBack, type SessionSocket, WorkerSessions } from './sessions.js';
import type { LoggedInWorker } from './tokens.js';

const MAX_FRAME_BYTES = 64 << 20;
const PING_EVERY_MS = 20_000;
/** How long a connection may keep quiet before it is greeted as PB: there the master speaks first, over HTTP the worker does. */
const SPEAKS_FIRST_WITHIN_MS = 200;
/** A connection that is no worker's by then is closed. Longer than a refused PB worker waits before it hangs up itself. */
const LOGIN_WITHIN_MS = 90_000;
const KEEP_ALIVE_AFTER_MS = 60_000;

/** Accepts workers on one port for both protocols: msgpack over WebSocket, and PB. */
export class WorkerListener {
  private readonly server: Server;
  private readonly http: HttpServer;
  private readonly webSockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: MAX_FRAME_BYTES,
  });
  private readonly sockets = new Set<Socket>();
  private readonly loggedIn = new WeakSet<Duplex>();
  private readonly login = new Login();
  readonly sessions: WorkerSessions;
  private readonly pb: PbSockets;
  private readonly alive = new WeakSet<WebSocket>();
  private pinging: NodeJS.Timeout | null = null;

  constructor(
    private readonly master: Master,
    private readonly directory: () => WorkerDirectory,
    onAttached: (worker: AttachedWorker) => void,
    onDetached: (worker: AttachedWorker) => void,
    adopt: (worker: AttachedWorker) => Promise<void>,
  ) {
    this.sessions = new WorkerSessions(master, directory, onAttached, onDetached, adopt);
    this.pb = new PbSockets(master, directory, this.sessions, (socket) => void this.loggedIn.add(socket));
    this.server = createServer((socket) => this.connected(socket));
    this.http = createHttpServer((_request, response) => {
      response.writeHead(426, { 'content-type': 'text/plain' }).end('Workers connect here by WebSocket.\n');
    });
    this.http.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) =>
      this.upgrade(request, socket, head),
    );
  }

  get attached(): ReadonlyMap<number, AttachedWorker> {
    return this.sessions.attached;
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
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }

  /** Reads who is paused, of these workers or of all, and lets go of those that have a newer session elsewhere (I11). */
  refresh(workerIds?: Iterable<number>): Promise<void> {
    return this.sessions.refresh(workerIds);
  }

  private connected(socket: Socket): void {
    this.sockets.add(socket);
    const { remoteAddress: from } = socket;
    socket.setKeepAlive(true, KEEP_ALIVE_AFTER_MS);
    socket.setNoDelay(true);
    const deadline = setTimeout(() => {
      if (!this.loggedIn.has(socket)) socket.destroy();
    }, LOGIN_WITHIN_MS);
    socket.on('close', () => {
      this.sockets.delete(socket);
      clearTimeout(deadline);
    });
    socket.on('error', (error) => {
      this.master.log.debug({ from, err: error }, `socket: ${error.message}`);
      socket.destroy();
    });
    let hasSpoken = false;
    const speaks = (first: Buffer): void => {
      hasSpoken = true;
      clearTimeout(quiet);
      socket.pause();
      socket.unshift(first);
      this.http.emit('connection', socket);
      socket.resume();
    };
    const quiet = setTimeout(() => {
      // After a pause of this process what has come meanwhile is read before this runs.
      setImmediate(() => {
        if (socket.destroyed || hasSpoken) return;
        socket.off('data', speaks);
        this.pb.greet(socket);
      });
    }, SPEAKS_FIRST_WITHIN_MS);
    socket.once('data', speaks);
    socket.once('close', () => clearTimeout(quiet));
  }

  private upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    const refuse = (status: string, reason: string): void => {
      this.master.log.warn({ reason, from: request.socket.remoteAddress }, 'worker refused');
      socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`);
    };
    let worker: LoggedInWorker | null;
    try {
      const credentials = parseBasicAuthorization(request.headers.authorization);
      if (!credentials) return refuse('401 Unauthorized', 'no credentials');
      worker = this.login.check(credentials, this.directory());
      if (!worker) return refuse('401 Unauthorized', `wrong name or password for '${credentials.name}'`);
    } catch (error) {
      return refuse('400 Bad Request', messageOf(error));
    }
    const configured = worker;
    this.loggedIn.add(socket);
    this.webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      void this.accept(webSocket, configured, request.socket.remoteAddress ?? null).catch((error: unknown) => {
        this.master.log.warn({ worker: configured.name, err: error }, `attaching failed: ${messageOf(error)}`);
        webSocket.terminate();
      });
    });
  }

  private async accept(webSocket: WebSocket, configured: LoggedInWorker, address: string | null): Promise<void> {
    const session = new MsgpackMasterSession({
      send: (frame) => webSocket.send(frame),
      close: (reason) => {
        this.master.log.warn({ worker: configured.name, reason }, 'session closed');
        webSocket.terminate();
      },
      bufferedBytes: () => webSocket.bufferedAmount,
    });
    const socket = sessionSocket(webSocket, address);
    holdBack(session, socket);
    this.alive.add(webSocket);
    webSocket.on('pong', () => this.alive.add(webSocket));
    webSocket.on('message', (data: RawData, isBinary) => {
      if (isBinary) session.receive(data as Buffer);
    });
    webSocket.on('error', (error) =>
      this.master.log.warn({ worker: configured.name, err: error }, `socket: ${error.message}`),
    );
    webSocket.on('close', () => {
      session.closed('the connection was lost');
      this.sessions.detach(session);
    });
    await this.sessions.displaceEarlier(configured);
    await this.sessions.attach(session, socket, configured);
  }

  private ping(): void {
    for (const socket of this.webSockets.clients) {
      // A session that is not read from cannot show its pong: it is alive as long as its socket is.
      if (!this.alive.has(socket) && !socket.isPaused) socket.terminate();
      this.alive.delete(socket);
      socket.ping();
    }
    this.pb.ping();
  }
}

function sessionSocket(socket: WebSocket, address: string | null): SessionSocket {
  return {
    protocol: 'msgpack',
    address,
    get isOpen() {
      return socket.readyState === socket.OPEN;
    },
    get isPaused() {
      return socket.isPaused;
    },
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    terminate: () => socket.terminate(),
  };
}
