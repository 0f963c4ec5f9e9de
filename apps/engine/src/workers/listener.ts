import { createServer as createHttpServer, type IncomingMessage, type Server as HttpServer } from 'node:http';
import { BlockList, isIPv6, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type BeforeApplicationShutdown, Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { messageOf } from '@millrace/domain';
import { type EngineSettings, LOG, type Logger, SETTINGS, type TlsIdentity } from '@millrace/master';
import {
  DUPLICATE_WORKER,
  MsgpackMasterSession,
  parseBasicAuthorization,
  WORKER_LIMITS,
} from '@millrace/worker-protocol';
import { type RawData, type WebSocket, WebSocketServer } from 'ws';
import type { Refusal } from '../core/login-failures.js';
import { type Connection, Connections, loginAddress } from './connections.js';
import { Entrance } from './entrance.js';
import { guarded } from './guarded.js';
import { Login } from './login.js';
import { PbSockets } from './pb-sockets.js';
import { Refusals } from './refusals.js';
import { RELAY_PATH, RelaySockets } from './relay-sockets.js';
import { type SessionSocket, WorkerSessions } from './sessions.js';
import type { LoggedInWorker } from './tokens.js';
import { WorkerPort } from './worker-port.js';
import { WORKERS_TLS } from './workers-tls.js';

/** Longest frame of a relay: a worker's message and a header. */
const MAX_FRAME_BYTES = WORKER_LIMITS.messageBytes + 1024;
const PING_EVERY_MS = 20_000;
/** Retry time sent to a worker for which there is no room. */
const FULL_RETRY_SECONDS = 30;

/** Accepts workers of both protocols, msgpack over WebSocket and PB: on one port, on ports of their own, or both. */
@Injectable()
export class WorkerListener implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly ports: WorkerPort[];
  private readonly http: HttpServer;
  private readonly webSockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: MAX_FRAME_BYTES,
  });
  private readonly alive = new WeakSet<WebSocket>();
  private pings: NodeJS.Timeout | undefined;

  constructor(
    private readonly connections: Connections,
    private readonly login: Login,
    private readonly entrance: Entrance,
    private readonly refusals: Refusals,
    private readonly sessions: WorkerSessions,
    private readonly pb: PbSockets,
    private readonly relays: RelaySockets,
    @Inject(WORKERS_TLS) private readonly tls: TlsIdentity | null,
    @Inject(SETTINGS) private readonly settings: EngineSettings,
    @Inject(LOG) private readonly log: Logger,
  ) {
    this.ports = this.createPorts();
    this.http = createHttpServer((_request, response) => {
      response
        .writeHead(426, { 'content-type': 'text/plain', connection: 'close' })
        .end('Workers connect here by WebSocket.\n');
    });
    this.http.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) =>
      guarded(log, () => socket.destroy(), this.upgrade.bind(this))(request, socket, head),
    );
    this.http.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
      if (error.code !== 'ECONNRESET') refusals.refused('malformed', '', connections.of(socket), error.message);
      if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n');
      else socket.destroy();
    });
  }

  async onApplicationBootstrap(): Promise<void> {
    const { log, settings } = this;
    const { descriptors, most, isCut } = this.connections.limit;
    if (isCut) {
      log.warn(
        { descriptors, most, wanted: settings.workerMax },
        `MILLRACE_WORKER_MAX is ${settings.workerMax}, but the limit of open files leaves room for ${most} workers: raise it (ulimit -Hn, LimitNOFILE=)`,
      );
    }
    for (const port of this.ports) await port.listen();
    this.tls?.watch();
    this.pings = setInterval(() => this.ping(), PING_EVERY_MS);
    log.info(
      { addresses: this.ports.map(({ address }) => address), tls: this.tls !== null, descriptors, most },
      'workers may connect',
    );
  }

  /** Reloads what can change without the configuration. */
  reload(): void {
    this.tls?.reload();
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.pings);
    this.tls?.close();
    const closed = this.ports.map((port) => port.close());
    this.connections.closeAll();
    await Promise.all(closed);
  }

  /** Refuses new connections. Existing ones stay. */
  refuseNew(): void {
    for (const port of this.ports) void port.close();
    this.relays.refuseNew();
  }

  /** Disconnects every worker that has no build here, and every relay without such a worker behind it, so that they go to other engines. */
  letGo(): void {
    const busyRelays = new Set<Connection>();
    for (const worker of this.sessions.attached.values()) {
      if (worker.isIdle) worker.disconnect('the engine is draining');
      else if (worker.relay) busyRelays.add(worker.relay);
    }
    this.relays.letGo(busyRelays);
  }

  private createPorts(): WorkerPort[] {
    const { workerHost: host, workerPort, workerPbPort, workerMsgpackPort, workerProxyFrom } = this.settings;
    const common = {
      host,
      tls: this.tls,
      balancers: workerProxyFrom.length > 0 ? blockList(workerProxyFrom) : null,
      connections: this.connections,
      onReady: (stream: Socket, connection: Connection) => this.ready(stream, connection),
      onRefused: (reason: Refusal, connection: Connection, detail: string) =>
        this.refusals.refused(reason, '', connection, detail),
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
      this.refusals.refused('full', '', connection);
      this.pb.turnAway(stream);
    } else this.pb.greet(stream, connection);
  }

  private upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    const connection = this.connections.of(socket);
    if (!connection) return void socket.destroy();
    const refuse = (reason: Refusal): void => answerRefusal(socket, reason);
    if (connection.isTooMany) {
      this.refusals.refused('full', '', connection);
      return refuse('full');
    }
    let credentials;
    try {
      credentials = parseBasicAuthorization(request.headers.authorization);
    } catch (error) {
      this.refusals.refused('malformed', '', connection, messageOf(error));
      return refuse('malformed');
    }
    if (!credentials) {
      this.refusals.refused('no-credentials', '', connection);
      return refuse('no-credentials');
    }
    const login = this.login.withPassword(credentials, loginAddress(connection));
    const entering = { name: credentials.name, connection, isOpen: () => !socket.destroyed, refuse };
    this.entrance.enter(login, entering).then(
      guarded(
        this.log,
        () => socket.destroy(),
        (worker) => worker && this.welcome({ request, socket, head, worker, connection }),
      ),
      (error: unknown) => {
        this.log.error({ err: error }, `a worker could not be let in: ${messageOf(error)}`);
        socket.destroy();
      },
    );
  }

  private welcome({ request, socket, head, worker, connection }: Welcome): void {
    this.webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      this.alive.add(webSocket);
      webSocket.on('pong', () => this.alive.add(webSocket));
      if (request.url === RELAY_PATH) this.relays.accept(webSocket, worker, connection);
      else void this.accept(webSocket, worker, connection);
    });
  }

  private accept(webSocket: WebSocket, worker: LoggedInWorker, connection: Connection): Promise<void> {
    const fields = { worker: worker.name, from: connection.address };
    const session = new MsgpackMasterSession({
      send: (frame) => webSocket.send(frame),
      close: (reason) => {
        this.log.warn({ ...fields, reason }, 'session closed');
        webSocket.terminate();
      },
      bufferedBytes: () => webSocket.bufferedAmount,
    });
    const socket = sessionSocket(webSocket, connection.address);
    this.sessions.holdBack(session, socket);
    const receive = guarded(
      this.log,
      () => webSocket.terminate(),
      (data: Buffer) => session.receive(data),
    );
    webSocket.on('message', (data: RawData, isBinary) => {
      if (isBinary) receive(data as Buffer);
    });
    webSocket.on('error', (error) => this.log.warn({ ...fields, err: error }, `socket: ${error.message}`));
    webSocket.on('close', () => {
      session.closed('the connection was lost');
      this.sessions.detach(session);
    });
    return this.entrance.attach(session, socket, worker, {
      connection,
      giveUp: () => webSocket.terminate(),
      refuseDuplicate: () => webSocket.close(DUPLICATE_WORKER.closeCode, DUPLICATE_WORKER.reason),
    });
  }

  private ping(): void {
    for (const socket of this.webSockets.clients) {
      // A paused session cannot read its pong: it counts as alive as long as its socket is open.
      if (!this.alive.has(socket) && !socket.isPaused) socket.terminate();
      this.alive.delete(socket);
      socket.ping();
    }
    this.pb.ping();
  }
}

interface Welcome {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
  readonly worker: LoggedInWorker;
  readonly connection: Connection;
}

const UNAUTHORIZED = '401 Unauthorized';
/** HTTP answers to refused WebSocket clients. */
const REFUSED_WITH: Readonly<Partial<Record<Refusal, string>>> = {
  full: '503 Service Unavailable',
  malformed: '400 Bad Request',
};

function answerRefusal(socket: Duplex, reason: Refusal): void {
  const retry = reason === 'full' ? `Retry-After: ${FULL_RETRY_SECONDS}\r\n` : '';
  socket.end(`HTTP/1.1 ${REFUSED_WITH[reason] ?? UNAUTHORIZED}\r\nConnection: close\r\n${retry}\r\n`);
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
