import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { type RawData, type WebSocket, WebSocketServer } from 'ws';
import { hostAllowed, originAllowed } from '../origin.js';
import type { Subscriber, Subscriptions } from './subscriptions.js';
import { onFrame } from './ws-protocol.js';

export interface GatewayOptions {
  readonly httpHost: string;
  readonly publicUrl: string;
  /** A client that lets more than this pile up is cut off; it reconnects and refetches. */
  readonly maxBufferedBytes?: number;
  readonly pingIntervalMs?: number;
}

/** `/ws`: live events for browsers. */
export class WsGateway {
  private readonly server = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: 64 << 10 });
  private readonly connections = new Set<Connection>();
  private readonly pinging: NodeJS.Timeout;
  readonly stats = { cutOff: 0, refused: 0 };

  constructor(
    private readonly subscriptions: Subscriptions,
    private readonly options: GatewayOptions,
  ) {
    this.pinging = setInterval(
      () => this.connections.forEach((connection) => connection.ping()),
      options.pingIntervalMs ?? 30_000,
    );
    this.pinging.unref();
  }

  get size(): number {
    return this.connections.size;
  }

  attach(http: Server): void {
    http.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => this.upgrade(request, socket, head));
  }

  close(): void {
    clearInterval(this.pinging);
    for (const connection of this.connections) connection.close(1001, 'this master is stopping');
  }

  private upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const path = (request.url ?? '').split('?')[0];
    const { origin, host } = request.headers;
    if (path !== '/ws' && path !== '/ws/') return refuse(socket, '404 Not Found');
    const { httpHost, publicUrl } = this.options;
    const isNamed = hostAllowed(host, httpHost, publicUrl);
    if (!isNamed || !originAllowed(origin, host, publicUrl)) {
      this.stats.refused += 1;
      return refuse(socket, isNamed ? '403 Forbidden' : '421 Misdirected Request');
    }
    this.server.handleUpgrade(request, socket, head, (websocket) => this.accept(websocket));
  }

  private accept(websocket: WebSocket): void {
    const connection = new Connection(websocket, this.subscriptions, this.options.maxBufferedBytes ?? 4 << 20, () => {
      this.stats.cutOff += 1;
    });
    this.connections.add(connection);
    websocket.on('close', () => {
      this.connections.delete(connection);
      connection.forget();
    });
  }
}

class Connection implements Subscriber {
  private readonly consumed = new Set<string>();
  private alive = true;

  constructor(
    private readonly websocket: WebSocket,
    private readonly subscriptions: Subscriptions,
    private readonly maxBufferedBytes: number,
    private readonly onCutOff: () => void,
  ) {
    websocket.on('message', (data, isBinary) => this.receive(data, isBinary));
    websocket.on('pong', () => (this.alive = true));
    // What went wrong closes the socket, and closing is all that there is to do about it.
    websocket.on('error', () => websocket.terminate());
  }

  send(frame: string): void {
    if (this.websocket.readyState !== this.websocket.OPEN) return;
    if (this.websocket.bufferedAmount > this.maxBufferedBytes) {
      this.onCutOff();
      this.websocket.terminate();
      return;
    }
    this.websocket.send(frame);
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
        this.consumed.add(outcome.path);
        this.subscriptions.add(outcome.path, this);
        break;
      case 'stop':
        this.consumed.delete(outcome.path);
        this.subscriptions.remove(outcome.path, this);
        break;
    }
    this.send(outcome.reply);
  }
}

function refuse(socket: Duplex, status: string): void {
  // The client may be gone already; there is nobody left to tell.
  socket.on('error', () => socket.destroy());
  // A client that never closes its half would keep the descriptor.
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, () => socket.destroy());
}

function rawText(data: RawData): string {
  return (Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data as Buffer)).toString('utf8');
}
