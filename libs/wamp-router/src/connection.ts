import { WebSocket } from 'ws';
import type { Outlet } from './realm.js';

export interface ConnectionLimits {
  /** Most bytes that may wait for a client that does not read them. */
  readonly maxQueuedBytes: number;
  readonly pingIntervalMs: number;
  /** Silence after which a client is cut off, counted in whole ping intervals. */
  readonly pingTimeoutMs: number;
}

/** How long a client may take to answer our closing handshake. */
const CLOSE_TIMEOUT_MS = 2_000;

/** One WebSocket with a bounded queue. A client that reads too slowly or falls silent is cut off without a closing handshake. */
export class Connection implements Outlet {
  /** Pings since the client last sent something. Counted, not clocked: when this process was stopped, the clients are not to blame. */
  private unanswered = 0;
  private readonly pinger: NodeJS.Timeout;
  private isEnding = false;

  constructor(
    private readonly socket: WebSocket,
    private readonly limits: ConnectionLimits,
    private readonly onCutOff: (reason: 'slow' | 'silent') => void,
  ) {
    this.pinger = setInterval(() => this.ping(), limits.pingIntervalMs);
    socket.on('pong', () => this.heard());
    socket.on('ping', () => this.heard());
    socket.on('close', () => clearInterval(this.pinger));
  }

  heard(): void {
    this.unanswered = 0;
  }

  send(frame: Buffer): void {
    if (this.isEnding) return;
    if (this.socket.bufferedAmount + frame.length > this.limits.maxQueuedBytes) return this.cutOff('slow');
    this.socket.send(frame, { binary: false });
  }

  close(): void {
    this.isEnding = true;
    this.socket.close(1000);
    const timer = setTimeout(() => this.socket.terminate(), CLOSE_TIMEOUT_MS);
    this.socket.once('close', () => clearTimeout(timer));
  }

  /** Closes at once, without the closing handshake. Queued messages are dropped. */
  cutOff(reason: 'slow' | 'silent'): void {
    if (this.isEnding) return;
    this.isEnding = true;
    this.onCutOff(reason);
    this.socket.terminate();
  }

  private ping(): void {
    const { pingIntervalMs, pingTimeoutMs } = this.limits;
    if (this.unanswered * pingIntervalMs >= pingTimeoutMs) return this.cutOff('silent');
    this.unanswered++;
    if (!this.isEnding && this.socket.readyState === WebSocket.OPEN) this.socket.ping();
  }
}
