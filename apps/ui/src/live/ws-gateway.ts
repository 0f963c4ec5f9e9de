import type { IncomingHttpHeaders, IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { type BeforeApplicationShutdown, Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyAdapter } from '@nestjs/platform-fastify';
import {
  ConnectionCap,
  isLoopback,
  messageOf,
  PerMinute,
  refusedBy,
  type Sight,
  UserError,
  withoutPublicPath,
} from '@millrace/domain';
import { LOG, type Logger, SETTINGS, type UiSettings } from '@millrace/master';
import { type RawData, type WebSocket, WebSocketServer } from 'ws';
import { Access } from '../access/access.js';
import { Callers } from '../access/callers.js';
import { addressOf } from '../http/api-request.js';
import { ClientAddresses } from '../http/client-addresses.js';
import type { Caller } from '../resources/caller.js';
import { Sights } from '../resources/sights.js';
import { withoutStockPath } from '../web/stock-paths.js';
import { LiveFrame } from './live-frame.js';
import { Paced } from './paced.js';
import { type Subscriber, Subscriptions } from './subscriptions.js';
import { onFrame } from './ws-protocol.js';

/** Most bytes that may wait for all clients together. Each has its share of them, within bounds. */
const MAX_WAITING_BYTES = 64 << 20;
const SHARE_BYTES = { least: 32 << 10, most: 1 << 20 };
/** Most bytes that may wait beyond the share: the answers to somebody who sends, and does not read. */
const ANSWER_BYTES = 256 << 10;
const PING_INTERVAL_MS = 30_000;
/** Most filters that all connections consume together. They use this process's memory. */
export const MAX_CONSUMED = 200_000;
const MAX_FRAME_BYTES = 64 << 10;
const FAULTS_LOGGED_A_MINUTE = 10;
const TEXT = { binary: false };
const RESYNC = new LiveFrame('resync', '{}');

/**
 * `/ws`: live events for browsers that may read. Whether they still may is asked again with every ping. When there are too many connections, the oldest that consumes nothing is
 * ended first; one that consumes is never ended for another.
 */
@Injectable()
export class WsGateway implements OnModuleInit, BeforeApplicationShutdown {
  private readonly server = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: MAX_FRAME_BYTES,
  });
  private readonly connections = new Set<Connection>();
  private readonly cap: ConnectionCap<Duplex>;
  private pinging: NodeJS.Timeout | undefined;
  private readonly pace = new Paced();
  private readonly faults = new PerMinute(FAULTS_LOGGED_A_MINUTE);

  constructor(
    private readonly adapterHost: HttpAdapterHost<FastifyAdapter>,
    private readonly subscriptions: Subscriptions,
    private readonly access: Access,
    private readonly sights: Sights,
    private readonly callers: Callers,
    private readonly addresses: ClientAddresses,
    @Inject(SETTINGS) private readonly settings: Pick<UiSettings, 'listenerRule' | 'wsMax' | 'wsMaxPerAddress'>,
    @Inject(LOG) private readonly log: Logger,
  ) {
    this.cap = new ConnectionCap({ max: settings.wsMax, maxPerAddress: settings.wsMaxPerAddress, countsInUse: true });
  }

  onModuleInit(): void {
    const http = this.adapterHost.httpAdapter.getHttpServer<Server>();
    http.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      this.upgrade(request, socket, head).catch((error: unknown) => {
        this.failed(error);
        socket.destroy();
      });
    });
    this.pinging = setInterval(() => void this.ping(), PING_INTERVAL_MS).unref();
  }

  beforeApplicationShutdown(): void {
    clearInterval(this.pinging);
    for (const connection of this.connections) connection.close(1001, 'this master is stopping');
  }

  private async upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const asked = withoutPublicPath(this.settings.listenerRule, request.url ?? '');
    const path = withoutStockPath(asked).split('?', 1)[0];
    if (path !== '/ws' && path !== '/ws/') return refuse(socket, '404 Not Found');
    const refusal = refusedBy(this.settings.listenerRule, request.headers);
    if (refusal !== null) return refuse(socket, refusal.status === 403 ? '403 Forbidden' : '421 Misdirected Request');
    const client = this.addresses.of(request);
    const loser = this.cap.admit(socket, isLoopback(client) ? null : client);
    if (loser === socket) return refuse(socket, '503 Service Unavailable');
    loser?.destroy();
    socket.once('close', () => this.cap.remove(socket));
    // It may leave while it is looked up.
    socket.on('error', () => socket.destroy());
    const asker = { headers: request.headers, address: addressOf(request), resyncs: withoutStockPath(asked) === asked };
    const caller = await this.readerOf(asker);
    if (caller === null) return refuse(socket, '403 Forbidden');
    if (socket.destroyed) return;
    this.server.handleUpgrade(request, socket, head, (websocket) =>
      this.accept(websocket, { socket, caller, ...asker }),
    );
  }

  /** Returns the caller, if it may read; null otherwise. */
  private async readerOf({ headers, address }: Pick<Asker, 'headers' | 'address'>): Promise<Caller | null> {
    try {
      const caller = await this.callers.of(headers, address);
      return this.access.may(caller, { action: 'view', resource: 'event' }) ? caller : null;
    } catch (error) {
      if (error instanceof UserError) return null;
      throw error;
    }
  }

  /** Pings everybody, and ends the connections of those whose session has ended, or who may no longer read. */
  private async ping(): Promise<void> {
    await this.pace.each(this.connections, (connection) => connection.ping());
    const everybodyMay = this.access.mayEverybody('view');
    for (const connection of [...this.connections]) {
      const { caller } = connection.asker;
      if (caller.kind === 'anonymous' && everybodyMay) continue;
      try {
        const now = await this.readerOf(connection.asker);
        if (now === null || now.kind !== caller.kind) connection.close(1008, 'sign in again');
        else connection.readBy(now);
      } catch (error) {
        // The database is away: they are asked again with the next ping.
        this.failed(error);
        return;
      }
    }
  }

  private accept(websocket: WebSocket, { socket, ...asker }: Accepted): void {
    const connection = new Connection(websocket, asker, this.subscriptions, {
      shareBytes: () => this.shareBytes,
      sightOf: (caller) => this.sights.of(caller),
      consumes: (some) => (some ? this.cap.use(socket) : this.cap.rest(socket)),
      failed: (error) => this.failed(error),
    });
    this.connections.add(connection);
    websocket.on('close', () => {
      this.connections.delete(connection);
      connection.forget();
    });
  }

  /** Most bytes that may wait for one client. */
  private get shareBytes(): number {
    const share = MAX_WAITING_BYTES / Math.max(1, this.connections.size);
    return Math.min(SHARE_BYTES.most, Math.max(SHARE_BYTES.least, share));
  }

  /** Logs an unexpected error in handling a frame. Its connection has been ended. */
  private failed(error: unknown): void {
    const unsaid = this.faults.pass(performance.now());
    if (unsaid !== null) this.log.error({ err: error, unsaid }, `a frame of /ws failed: ${messageOf(error)}`);
  }
}

interface Asker {
  readonly caller: Caller;
  /** The headers and the sender of the request, to ask again whose it is. */
  readonly headers: IncomingHttpHeaders;
  readonly address: string;
  /** Whether the client fetches again when it is told to. Buildbot's own pages do not. */
  readonly resyncs: boolean;
}

interface Accepted extends Asker {
  readonly socket: Duplex;
}

interface ConnectionEvents {
  shareBytes(): number;
  sightOf(caller: Caller): Sight | null;
  consumes(some: boolean): void;
  failed(error: unknown): void;
}

class Connection implements Subscriber {
  private readonly consumed = new Set<string>();
  private alive = true;
  /** Whether events are left out, because too many wait. */
  private isBehind = false;

  constructor(
    private readonly websocket: WebSocket,
    private reader: Asker,
    private readonly subscriptions: Subscriptions,
    private readonly events: ConnectionEvents,
  ) {
    websocket.on('message', (data, isBinary) => {
      // An error in handling a frame ends its own connection only.
      try {
        this.receive(data, isBinary);
      } catch (error) {
        events.failed(error);
        websocket.terminate();
      }
    });
    websocket.on('pong', () => (this.alive = true));
    // An error closes the socket, and nothing else has to be done about it.
    websocket.on('error', () => websocket.terminate());
  }

  get asker(): Asker {
    return this.reader;
  }

  get sight(): Sight | null {
    return this.events.sightOf(this.reader.caller);
  }

  /** Sets who reads, whose roles may have changed. */
  readBy(caller: Caller): void {
    this.reader = { ...this.reader, caller };
  }

  /**
   * Sends an event. To somebody who does not read as fast as things happen, nothing more is sent until everything that waits has gone; then
   * the reader is told to fetch again. A client that does not know how to is cut off, and fetches when it is back.
   */
  send(frame: LiveFrame): void {
    if (this.websocket.readyState !== this.websocket.OPEN || this.isBehind) return;
    if (this.websocket.bufferedAmount <= this.events.shareBytes()) return this.websocket.send(frame.ws, TEXT);
    if (!this.asker.resyncs) return this.websocket.terminate();
    this.isBehind = true;
    // The marker goes last: when it has gone, so has everything before it.
    this.websocket.send(RESYNC.ws, TEXT, (error) => {
      if (error) return;
      this.isBehind = false;
      this.websocket.send(RESYNC.ws, TEXT);
    });
  }

  private answer(frame: string): void {
    if (this.websocket.readyState !== this.websocket.OPEN) return;
    if (this.websocket.bufferedAmount > this.events.shareBytes() + ANSWER_BYTES) this.websocket.terminate();
    else this.websocket.send(frame);
  }

  ping(): void {
    if (!this.alive) return this.websocket.terminate();
    this.alive = false;
    this.websocket.ping();
  }

  close(code: number, reason: string): void {
    this.websocket.close(code, reason);
  }

  forget(): void {
    for (const path of this.consumed) this.subscriptions.remove(path, this);
    this.consumed.clear();
  }

  private receive(data: RawData, isBinary: boolean): void {
    const outcome = isBinary ? ({ do: 'drop' } as const) : onFrame(rawText(data), this.consumed);
    switch (outcome.do) {
      case 'drop':
        this.websocket.terminate();
        return;
      case 'reply':
        break;
      case 'start':
        if (this.subscriptions.size >= MAX_CONSUMED) return this.websocket.close(1013, 'too many paths are consumed');
        this.consumed.add(outcome.path);
        this.subscriptions.add(outcome.path, this);
        this.events.consumes(true);
        break;
      case 'stop':
        this.consumed.delete(outcome.path);
        this.subscriptions.remove(outcome.path, this);
        if (this.consumed.size === 0) this.events.consumes(false);
        break;
    }
    this.answer(outcome.reply);
  }
}

function refuse(socket: Duplex, status: string): void {
  // The client may have left already. There is nobody to report the error to.
  socket.on('error', () => socket.destroy());
  // A client that never closes its side would keep the file descriptor.
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, () => socket.destroy());
}

function rawText(data: RawData): string {
  return (Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data as Buffer)).toString('utf8');
}
