import { createServer, type IncomingMessage, type Server, STATUS_CODES } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import {
  ConnectionCap,
  httpServerOptions,
  LISTENER_LIMITS,
  type ListenerRefusal,
  type ListenerRule,
  listenerRule,
  messageOf,
  printable,
  refusedBy,
  UserError,
} from '@millrace/domain';
import { type WebSocket, WebSocketServer } from 'ws';
import type { AuthenticationOptions } from './authentication.js';
import { Connection } from './connection.js';
import { parseMessage, ProtocolViolation } from './messages.js';
import type { Roles } from './permissions.js';
import { Realm, type RealmStats, Session } from './realm.js';

export interface RouterOptions extends AuthenticationOptions {
  readonly host: string;
  /** Port to listen on. 0 takes any free port. */
  readonly port: number;
  /** Path of the WebSocket endpoint. Default `/ws`. */
  readonly path?: string;
  readonly realm: string;
  /** Host names and page origins that are accepted. Default: those that nobody else can point at this machine. */
  readonly rule?: ListenerRule;
  /** Most connections. Default 1,000. A new one displaces the oldest that has not joined; one that has joined is never displaced. */
  readonly maxConnections?: number;
  /** Most connections of one address that have not joined. Default 100. */
  readonly maxJoiningPerAddress?: number;
  /** Allowed actions by role and URI prefix. Anything that is not listed is refused. */
  readonly roles: Roles;
  /** Most bytes that may wait for one client. Default 4 MiB. A client with more is cut off. */
  readonly maxQueuedBytes?: number;
  /** Longest frame. Default 1 MiB. A longer frame ends its session. */
  readonly maxFrameBytes?: number;
  /** Default 10,000. */
  readonly pingIntervalMs?: number;
  /** Default 25,000. Also the time that a client has for joining the realm. */
  readonly pingTimeoutMs?: number;
  readonly log?: (event: RouterEvent, fields: Readonly<Record<string, unknown>>) => void;
}

export type RouterEvent = 'client-cut-off' | 'protocol-violation' | 'upgrade-refused' | 'failed';

export interface RouterStats extends Readonly<RealmStats> {
  /** Number of WebSockets since the start. */
  readonly connections: number;
  readonly cutOffSlow: number;
  readonly cutOffSilent: number;
  /** Number of sessions aborted for a frame that broke the protocol. */
  readonly violations: number;
  /** Number of connections closed in favour of new ones, or refused for lack of room. */
  readonly displaced: number;
}

export interface Router {
  readonly url: string;
  readonly port: number;
  /** Returns the number of sessions that have joined. */
  sessions(): number;
  /** A copy of the counters. */
  readonly stats: RouterStats;
  /** Sends GOODBYE to everybody. Resolves when the port is free. */
  close(): Promise<void>;
}

const PROTOCOL = 'wamp.2.json';
/** Longest frame before the session has joined. Joining needs no longer ones. */
const MAX_JOINING_FRAME_BYTES = 16 << 10;
/** How long `close` waits for clients to answer its GOODBYE. */
const CLOSE_GRACE_MS = 1_000;

/**
 * Starts the broker and dealer of one realm: the WAMP v2 basic profile as JSON over WebSocket, with prefix subscriptions.
 *
 * @throws UserError `port-taken`, `port-refused`
 */
export async function startRouter(options: RouterOptions): Promise<Router> {
  const path = options.path ?? '/ws';
  const realm = new Realm({ ...options, name: options.realm });
  const counters = { connections: 0, cutOffSlow: 0, cutOffSilent: 0, violations: 0, displaced: 0 };
  const log = options.log ?? ((): void => undefined);
  const rule = options.rule ?? listenerRule();
  const server = createServer(httpServerOptions(), (request, response) => {
    const refusal = refusedBy(rule, request.headers);
    const isOurs = pathOf(request) === path;
    const [status, text] = refusal
      ? [refusal.status, refusal.error]
      : isOurs
        ? [426, `WAMP over WebSocket: use the subprotocol ${PROTOCOL}`]
        : [404, 'not found'];
    response.writeHead(status, {
      'Content-Type': 'text/plain; charset=utf-8',
      'X-Content-Type-Options': 'nosniff',
      Connection: 'close',
    });
    response.end(`${text}\n`);
  });
  server.maxHeadersCount = LISTENER_LIMITS.maxHeaders;
  server.setTimeout(LISTENER_LIMITS.idleMs);
  const cap = new ConnectionCap<Socket>({
    max: options.maxConnections ?? 1_000,
    maxPerAddress: options.maxJoiningPerAddress ?? 100,
  });
  server.on('connection', (socket) => {
    const loser = cap.admit(socket, socket.remoteAddress ?? '');
    if (loser !== null) counters.displaced++;
    loser?.destroy();
    if (loser !== socket) socket.once('close', () => cap.remove(socket));
  });
  const sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: options.maxFrameBytes ?? 1024 * 1024,
    handleProtocols: () => PROTOCOL,
  });

  server.on('upgrade', (request, socket, head) => {
    const status = upgradeStatus(request, path, refusedBy(rule, request.headers));
    if (status !== 101) {
      log('upgrade-refused', { status, url: printable(request.url ?? '', 200) });
      return refuseUpgrade(socket, status);
    }
    try {
      sockets.handleUpgrade(request, socket, head, (webSocket) => serve(webSocket, request.socket));
    } catch (error) {
      log('failed', { err: error });
      socket.destroy();
    }
  });

  const limits = {
    maxQueuedBytes: options.maxQueuedBytes ?? 4 * 1024 * 1024,
    pingIntervalMs: options.pingIntervalMs ?? 10_000,
    pingTimeoutMs: options.pingTimeoutMs ?? 25_000,
  };

  function serve(socket: WebSocket, under: Socket): void {
    const client = under.remoteAddress;
    counters.connections++;
    const connection = new Connection(socket, limits, (reason) => {
      counters[reason === 'slow' ? 'cutOffSlow' : 'cutOffSilent']++;
      log('client-cut-off', { client, reason, queuedBytes: socket.bufferedAmount });
    });
    const session = new Session(connection);
    const joinTimer = setTimeout(() => {
      if (!session.isJoined) connection.cutOff('silent');
    }, limits.pingTimeoutMs);

    function violate(reason: string): void {
      if (session.state.kind === 'closed') return;
      counters.violations++;
      log('protocol-violation', { client, reason });
      realm.abort(session, reason);
    }

    socket.on('message', (data: Buffer, isBinary) => {
      // An error in handling a message ends its own session only.
      try {
        connection.heard();
        if (isBinary) return violate('a frame of wamp.2.json must be text');
        const wasJoined = session.isJoined;
        if (!wasJoined && data.length > MAX_JOINING_FRAME_BYTES) return violate('join the realm first');
        realm.handle(session, parseMessage(data.toString('utf8')));
        if (!wasJoined && session.isJoined) cap.use(under);
      } catch (error) {
        if (error instanceof ProtocolViolation) return violate(error.message);
        log('failed', { client, err: error });
        violate(`the message cannot be handled: ${printable(messageOf(error), 200)}`);
      }
    });
    // For frames that break RFC 6455 or exceed the size limit, ws closes the socket itself.
    socket.on('error', (error) => violate(error.message));
    socket.on('close', () => {
      clearTimeout(joinTimer);
      realm.leave(session);
    });
  }

  const port = await listen(server, options.host, options.port);
  return {
    url: `ws://${options.host.includes(':') ? `[${options.host}]` : options.host}:${port}${path}`,
    port,
    sessions: () => realm.size,
    get stats() {
      return { ...realm.stats, ...counters };
    },
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      realm.shutDown();
      for (const socket of sockets.clients) socket.close(1001);
      const timer = setTimeout(() => sockets.clients.forEach((socket) => socket.terminate()), CLOSE_GRACE_MS);
      server.closeAllConnections();
      await closed;
      clearTimeout(timer);
    },
  };
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? '/').split('?', 1)[0]!;
}

function upgradeStatus(
  request: IncomingMessage,
  path: string,
  refusal: ListenerRefusal | null,
): 101 | 400 | 403 | 404 | 421 {
  if (pathOf(request) !== path) return 404;
  if (refusal !== null) return refusal.status;
  const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((protocol) => protocol.trim());
  return offered.includes(PROTOCOL) ? 101 : 400;
}

function refuseUpgrade(socket: Duplex, status: 400 | 403 | 404 | 421): void {
  // The client may have left already. There is nobody to report the error to.
  socket.on('error', () => socket.destroy());
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, () =>
    // A client that never closes its side would keep the file descriptor.
    socket.destroy(),
  );
}

function listen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const fields = { host, port, setting: 'MILLRACE_ROUTER_PORT' };
      reject(
        cause.code === 'EADDRINUSE'
          ? new UserError(
              'port-taken',
              `port ${port} on ${host} is taken; set MILLRACE_ROUTER_PORT to another one for the router`,
              fields,
              { cause },
            )
          : new UserError('port-refused', `the router cannot listen on ${host}:${port}: ${cause.message}`, fields, {
              cause,
            }),
      );
    });
    server.listen(port, host, () => resolve((server.address() as AddressInfo).port));
  });
}
