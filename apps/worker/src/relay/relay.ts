import { UserError } from '@millrace/domain';
import { type Credentials, RelayLink, type Transport, WORKER_LIMITS } from '@millrace/worker-protocol';
import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage } from 'node:http';
import { createServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import type { Log } from '../log.js';
import { MasterLink } from '../master-link.js';
import { PbMember } from './pb-member.js';
import { WebSocketMember } from './web-socket-member.js';

const RELAY_PATH = '/relay';
/** Longest frame of a worker. A longer one is stopped here, because at the engine it would end the connection of all workers. */
const MAX_FRAME_BYTES = WORKER_LIMITS.messageBytes;
/** Silence after which a connection is taken for PB. Over PB the engine speaks first, over HTTP the worker does. */
const SPEAKS_FIRST_WITHIN_MS = 200;
/** A connection is closed when no engine has accepted it by then, or (over PB) when it has sent nothing. */
const LOGIN_WITHIN_MS = 10_000;
const PING_EVERY_MS = 20_000;

export interface RelayOptions extends Credentials {
  /** Addresses of engines, tried in turn. */
  readonly masters: readonly string[];
  readonly host: string | undefined;
  readonly port: number;
}

/**
 * Carries many workers' connections over one to an engine. When that engine is gone they move to the next one: msgpack workers keep their
 * connections, PB workers are closed and come back.
 */
export class Relay {
  private readonly stopping = new AbortController();
  private readonly http = createHttpServer((_request, response) => {
    response.writeHead(426, { 'content-type': 'text/plain' }).end('Workers connect here by WebSocket.\n');
  });
  private readonly server = createServer((socket) => this.connected(socket));
  private readonly webSockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: MAX_FRAME_BYTES,
  });
  /** Connections with their login timers. */
  private readonly sockets = new Map<Duplex, NodeJS.Timeout>();
  private readonly members = new Set<WebSocketMember>();
  private link: RelayLink | undefined;

  constructor(
    private readonly options: RelayOptions,
    private readonly log: Log,
  ) {
    this.http.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) =>
      this.upgrade(request, socket, head),
    );
  }

  /**
   * Runs until it is stopped.
   * @throws UserError `cannot-listen`
   */
  async run(): Promise<void> {
    const { host, port } = this.options;
    this.server.listen(port, host);
    await once(this.server, 'listening').catch((error: Error) => {
      throw new UserError('cannot-listen', `--listen: ${error.message}`, { host, port });
    });
    this.server.on('error', (error) => this.log.error('cannot accept a connection', { reason: error.message }));
    this.log.info('workers may connect', { address: this.server.address() });
    const pinging = setInterval(() => this.ping(), PING_EVERY_MS);
    const owner = {
      connected: (transport: Transport) => this.joined(transport),
      disconnected: () => void (this.link = undefined),
    };
    const urls = this.options.masters.map((master) => new URL(RELAY_PATH, master).href);
    await new MasterLink(urls, this.options, owner, this.log).run(this.stopping.signal);
    clearInterval(pinging);
    this.server.close();
    for (const socket of this.sockets.keys()) socket.destroy();
  }

  stop(): void {
    this.stopping.abort();
  }

  private joined(transport: Transport): RelayLink {
    const link = new RelayLink(transport);
    this.link = link;
    if (this.members.size > 0) this.log.info('workers move to this engine', { workers: this.members.size });
    for (const member of this.members) member.join(link);
    return link;
  }

  private connected(socket: Socket): void {
    const deadline = setTimeout(() => socket.destroy(), LOGIN_WITHIN_MS);
    this.sockets.set(socket, deadline);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, PING_EVERY_MS);
    socket.on('close', () => {
      clearTimeout(deadline);
      this.sockets.delete(socket);
    });
    socket.on('error', () => socket.destroy());
    const quiet = setTimeout(() => {
      // After a pause of this process, data that arrived meanwhile is read before this runs.
      setImmediate(() => {
        if (socket.destroyed || socket.bytesRead > 0) return;
        socket.off('data', speaks);
        if (this.link === undefined) return socket.destroy();
        new PbMember(socket, this.link);
        socket.once('data', () => clearTimeout(deadline));
      });
    }, SPEAKS_FIRST_WITHIN_MS);
    const speaks = (first: Buffer): void => {
      clearTimeout(quiet);
      socket.pause();
      socket.unshift(first);
      this.http.emit('connection', socket);
      socket.resume();
    };
    socket.once('data', speaks);
    socket.once('close', () => clearTimeout(quiet));
  }

  /** Handles a WebSocket handshake. The worker is accepted when its engine has checked its login. */
  private upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const refuse = (status: number): void => {
      this.log.warn('worker refused', { status, from: request.socket.remoteAddress });
      socket.end(`HTTP/1.1 ${status} Refused\r\nConnection: close\r\n\r\n`);
    };
    const { link } = this;
    if (link === undefined) return refuse(503);
    const { authorization = null } = request.headers;
    if (authorization !== null && authorization.length > WORKER_LIMITS.authorizationCharacters) return refuse(431);
    const opening = {
      protocol: 'msgpack',
      authorization,
      remoteAddress: request.socket.remoteAddress ?? '',
    } as const;
    const channel = link.open(opening);
    const left = (): void => channel.close('the worker is gone');
    socket.once('close', left);
    channel.onClosed = ({ status }) => {
      socket.off('close', left);
      refuse(status === 0 ? 503 : status);
    };
    channel.onAccepted = () => {
      // When the handshake is wrong, the callback is not called and the socket is closed.
      this.webSockets.handleUpgrade(request, socket, head, (webSocket) => {
        socket.off('close', left);
        clearTimeout(this.sockets.get(socket));
        const member = new WebSocketMember(webSocket, opening, this.log);
        this.members.add(member);
        webSocket.on('close', () => this.members.delete(member));
        member.use(channel);
      });
    };
  }

  private ping(): void {
    for (const member of this.members) member.ping();
  }
}
