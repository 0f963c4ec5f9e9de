import { createServer as createHttpServer, type IncomingMessage, type Server as HttpServer } from 'node:http';
import { BlockList, isIPv6, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { messageOf, OperationalError, printable } from '@millrace/domain';
import type { Master } from '@millrace/master';
import { MsgpackMasterSession, parseBasicAuthorization, WORKER_LIMITS } from '@millrace/worker-protocol';
import { type RawData, type WebSocket, WebSocketServer } from 'ws';
import { type LoginFailure, LoginFailures, type Refusal } from '../core/login-failures.js';
import { LoginThrottle } from '../core/login-throttle.js';
import type { AttachedWorker } from './attached-worker.js';
import { type Connection, connectionLimit, Connections, later, loginAddress } from './connections.js';
import { guarded } from './guarded.js';
import { addListenerMetrics } from './listener-metrics.js';
import { Login, type WorkerDirectory } from './login.js';
import { PbSockets } from './pb-sockets.js';
import { RELAY_PATH, RelaySockets } from './relay-sockets.js';
import { type SessionSocket, WorkerSessions } from './sessions.js';
import { TlsIdentity } from './tls-identity.js';
import type { LoggedInWorker } from './tokens.js';
import { WorkerPort } from './worker-port.js';

/** Of a relay's frame, which is a worker's and a little more. */
const MAX_FRAME_BYTES = WORKER_LIMITS.messageBytes + 1024;
const PING_EVERY_MS = 20_000;
const SUM_UP_EVERY_MS = 60_000;
/** What a worker that there is no room for is told. */
const FULL_RETRY_SECONDS = 30;

/** Accepts workers of both protocols, msgpack over WebSocket and PB: on one port, on ports of their own, or both. */
export class WorkerListener {
  readonly connections: Connections;
  /** Connections that did not become sessions. */
  readonly failures = new LoginFailures();
  readonly tls: TlsIdentity | null;
  readonly sessions: WorkerSessions;
  private readonly ports: WorkerPort[];
  private readonly http: HttpServer;
  private readonly webSockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: MAX_FRAME_BYTES,
  });
  private readonly login: Login;
  private readonly pb: PbSockets;
  private readonly relays: RelaySockets;
  private readonly alive = new WeakSet<WebSocket>();
  private readonly timers: NodeJS.Timeout[] = [];

  constructor(
    private readonly master: Master<'engine'>,
    directory: () => WorkerDirectory,
    onAttached: (worker: AttachedWorker) => void,
    onDetached: (worker: AttachedWorker) => void,
    adopt: (worker: AttachedWorker) => Promise<void>,
  ) {
    const { settings } = master;
    this.connections = new Connections(
      connectionLimit(settings.workerMax),
      settings.workerLoginsPerAddress,
      (connection) => this.refused('displaced', '', connection),
    );
    this.tls = settings.workerTls && new TlsIdentity(settings.workerTls, master.log);
    this.login = new Login(directory, new LoginThrottle());
    this.sessions = new WorkerSessions(master, directory, onAttached, onDetached, adopt);
    const onRefused = (...refusal: Parameters<WorkerListener['refused']>): void => this.refused(...refusal);
    this.pb = new PbSockets(master, directory, this.connections, this.sessions, this.login, onRefused);
    this.relays = new RelaySockets(master, this.connections, this.sessions, this.login, this.pb, onRefused);
    this.ports = this.createPorts();
    this.http = createHttpServer((_request, response) => {
      response
        .writeHead(426, { 'content-type': 'text/plain', connection: 'close' })
        .end('Workers connect here by WebSocket.\n');
    });
    this.http.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) =>
      guarded(master.log, () => socket.destroy(), this.upgrade.bind(this))(request, socket, head),
    );
    this.http.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
      if (error.code !== 'ECONNRESET') this.refused('malformed', '', this.connections.of(socket), error.message);
      if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n');
      else socket.destroy();
    });
    addListenerMetrics(master.metrics, this);
  }

  get attached(): ReadonlyMap<number, AttachedWorker> {
    return this.sessions.attached;
  }

  /** What was refused lately, the latest first. */
  get refusals(): LoginFailure[] {
    return this.failures.snapshot();
  }

  async listen(): Promise<void> {
    const { log, settings } = this.master;
    const { descriptors, most, isCut } = this.connections.limit;
    if (isCut) {
      log.warn(
        { descriptors, most, wanted: settings.workerMax },
        `MILLRACE_WORKER_MAX is ${settings.workerMax}, but the limit of open files leaves room for ${most} workers: raise it (ulimit -Hn, LimitNOFILE=)`,
      );
    }
    for (const port of this.ports) await port.listen();
    this.tls?.watch();
    this.timers.push(
      setInterval(() => this.ping(), PING_EVERY_MS),
      setInterval(() => this.sumUp(), SUM_UP_EVERY_MS),
    );
    log.info(
      { addresses: this.ports.map(({ address }) => address), tls: this.tls !== null, descriptors, most },
      'workers may connect',
    );
  }

  /** Takes what else than the configuration may have changed. */
  reload(): void {
    this.tls?.reload();
  }

  async close(): Promise<void> {
    for (const timer of this.timers) clearInterval(timer);
    this.tls?.close();
    const closed = this.ports.map((port) => port.close());
    this.connections.closeAll();
    await Promise.all(closed);
  }

  /** Takes no more connections; those that are there stay. */
  refuseNew(): void {
    for (const port of this.ports) void port.close();
    this.relays.refuseNew();
  }

  /** Sends every worker that has no build here to another engine, and every relay that has none behind it. */
  letGo(): void {
    const busyRelays = new Set<Connection>();
    for (const worker of this.attached.values()) {
      if (worker.builds.size === 0) worker.disconnect('the engine is draining');
      else if (worker.relay) busyRelays.add(worker.relay);
    }
    this.relays.letGo(busyRelays);
  }

  /** Reads who is paused, of these workers or of all, and lets go of those that have a newer session elsewhere (I11). */
  refresh(workerIds?: Iterable<number>): Promise<void> {
    return this.sessions.refresh(workerIds);
  }

  private createPorts(): WorkerPort[] {
    const { workerHost: host, workerPort, workerPbPort, workerMsgpackPort, workerProxyFrom } = this.master.settings;
    const common = {
      host,
      tls: this.tls,
      balancers: workerProxyFrom.length > 0 ? blockList(workerProxyFrom) : null,
      connections: this.connections,
      onReady: (stream: Socket, connection: Connection) => this.ready(stream, connection),
      onRefused: (reason: Refusal, connection: Connection, detail: string) =>
        this.refused(reason, '', connection, detail),
    };
    const wanted = [
      { port: workerPort, setting: 'MILLRACE_WORKER_PORT', protocol: null },
      { port: workerPbPort, setting: 'MILLRACE_WORKER_PB_PORT', protocol: 'pb' },
      { port: workerMsgpackPort, setting: 'MILLRACE_WORKER_MSGPACK_PORT', protocol: 'msgpack' },
    ] as const;
    return wanted.flatMap(({ port, ...one }) => (port === null ? [] : [new WorkerPort({ ...common, ...one, port })]));
  }

  private ready(stream: Socket, connection: Connection): void {
    if (connection.protocol === 'msgpack') {
      this.http.emit('connection', stream);
      stream.resume();
    } else if (connection.isTooMany) {
      this.refused('full', '', connection);
      this.pb.turnAway(stream);
    } else this.pb.greet(stream, connection);
  }

  private upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    const connection = this.connections.of(socket);
    if (!connection) return void socket.destroy();
    const refuse = (status: string, reason: Refusal, name: string, detail?: string, retrySeconds?: number): void => {
      this.refused(reason, name, connection, detail);
      const retry = retrySeconds === undefined ? '' : `Retry-After: ${retrySeconds}\r\n`;
      socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n${retry}\r\n`);
    };
    if (connection.isTooMany) return refuse('503 Service Unavailable', 'full', '', undefined, FULL_RETRY_SECONDS);
    let credentials;
    try {
      credentials = parseBasicAuthorization(request.headers.authorization);
    } catch (error) {
      return refuse('400 Bad Request', 'malformed', '', messageOf(error));
    }
    if (!credentials) return refuse('401 Unauthorized', 'no-credentials', '');
    const { name } = credentials;
    const result = this.login.withPassword(credentials, loginAddress(connection));
    if ('refused' in result)
      return later(result.afterMs, socket, () => refuse('401 Unauthorized', result.refused, name));
    if (!this.connections.admit(connection))
      return refuse('503 Service Unavailable', 'full', name, undefined, FULL_RETRY_SECONDS);
    connection.isLoggedIn = true;
    later(result.afterMs, socket, () => this.welcome(request, socket, head, result.worker, connection));
  }

  private welcome(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    worker: LoggedInWorker,
    connection: Connection,
  ): void {
    this.webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      this.alive.add(webSocket);
      webSocket.on('pong', () => this.alive.add(webSocket));
      if (request.url === RELAY_PATH) return this.relays.accept(webSocket, worker, connection);
      void this.accept(webSocket, worker, connection).catch((error: unknown) => {
        const isDuplicate = error instanceof OperationalError && error.code === 'duplicate-worker';
        this.refused(isDuplicate ? 'duplicate' : 'attach-failed', worker.name, connection, messageOf(error));
        webSocket.terminate();
      });
    });
  }

  private async accept(webSocket: WebSocket, configured: LoggedInWorker, { address: from }: Connection): Promise<void> {
    const session = new MsgpackMasterSession({
      send: (frame) => webSocket.send(frame),
      close: (reason) => {
        this.master.log.warn({ worker: configured.name, from, reason }, 'session closed');
        webSocket.terminate();
      },
      bufferedBytes: () => webSocket.bufferedAmount,
    });
    const socket = sessionSocket(webSocket, from);
    this.sessions.holdBack(session, socket);
    const receive = guarded(
      this.master.log,
      () => webSocket.terminate(),
      (data: Buffer) => session.receive(data),
    );
    webSocket.on('message', (data: RawData, isBinary) => {
      if (isBinary) receive(data as Buffer);
    });
    webSocket.on('error', (error) =>
      this.master.log.warn({ worker: configured.name, from, err: error }, `socket: ${error.message}`),
    );
    webSocket.on('close', () => {
      session.closed('the connection was lost');
      this.sessions.detach(session);
    });
    await this.sessions.displaceEarlier(configured);
    await this.sessions.attach(session, socket, configured);
  }

  private refused(reason: Refusal, name: string, connection: Connection | undefined, detail?: string): void {
    const from = connection?.address ?? '';
    if (!this.failures.record(reason, name, from, Date.now())) return;
    const shown = {
      ...(name && { worker: printable(name, 100) }),
      from,
      ...(detail !== undefined && { detail: printable(detail, 300) }),
    };
    this.master.log.warn({ reason, ...shown }, `worker refused: ${reason}`);
  }

  private sumUp(): void {
    const summary = this.failures.summary();
    if (summary) this.master.log.warn(summary, `${summary.count} more connections of workers were refused`);
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

function blockList(cidrs: readonly string[]): BlockList {
  const list = new BlockList();
  for (const cidr of cidrs) {
    const [address = '', prefix] = cidr.split('/');
    const family = isIPv6(address) ? 'ipv6' : 'ipv4';
    list.addSubnet(address, prefix === undefined ? (family === 'ipv6' ? 128 : 32) : Number(prefix), family);
  }
  return list;
}

function sessionSocket(socket: WebSocket, address: string): SessionSocket {
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
