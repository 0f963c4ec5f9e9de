import type autobahn from 'autobahn';
import { WebSocket } from 'ws';
import { parseWire } from './topics.js';

/** Longest accepted frame. Events and answers are small; a longer frame from a broker is a fault. */
const MAX_FRAME_BYTES = 1 << 20;
/** Silent heartbeats after which a connection is given up. */
const MAX_SILENT_BEATS = 2;

/**
 * The WebSocket of an autobahn session, in place of autobahn's own transport, which reports a close twice, cannot be cut off and has no
 * heartbeat that notices a dead broker in time.
 */
export class WampTransport implements autobahn.ITransport {
  onopen = (): void => undefined;
  onmessage = (_message: unknown[]): void => undefined;
  /** Called once, whether the connection ended or never opened. */
  onclose: (details: { wasClean: boolean; reason: string; code: number }) => void = () => undefined;
  readonly info: autobahn.ITransportInfo;
  private readonly socket: WebSocket;
  private readonly heart: NodeJS.Timeout;
  /** Heartbeats since the broker last sent something. Counted, not clocked: when this thread was held up, the broker is not to blame. */
  private silentBeats = 0;
  private failure = '';

  constructor(url: string, heartbeatMs: number) {
    this.info = { type: 'websocket', url, protocol: 'wamp.2.json' };
    this.socket = new WebSocket(url, ['wamp.2.json'], { perMessageDeflate: false, maxPayload: MAX_FRAME_BYTES });
    this.heart = setInterval(() => this.beat(), heartbeatMs);
    this.socket.on('open', () => this.onopen());
    this.socket.on('pong', () => (this.silentBeats = 0));
    this.socket.on('message', (data: Buffer) => this.receive(data));
    this.socket.on('error', (error) => (this.failure ||= error.message));
    this.socket.on('close', (code, reason) => {
      clearInterval(this.heart);
      const text = this.failure || reason.toString() || `the broker closed the connection (${code})`;
      this.onclose({ wasClean: code === 1000, reason: text, code });
    });
  }

  send(message: unknown[]): void {
    this.socket.send(JSON.stringify(message));
  }

  get isClosed(): boolean {
    return this.socket.readyState === WebSocket.CLOSED;
  }

  /** Closes the connection. autobahn itself calls this only after a protocol violation. */
  close(code = 1000, reason = ''): void {
    if (code !== 1000) this.failure ||= reason;
    this.socket.close(1000);
  }

  /** Ends the connection without waiting for the broker. */
  abort(reason: string): void {
    this.failure ||= reason;
    this.socket.terminate();
  }

  private receive(data: Buffer): void {
    this.silentBeats = 0;
    try {
      this.onmessage(parseWire(data.toString('utf8')) as unknown[]);
    } catch (error) {
      this.abort(`the broker sent something that is not WAMP: ${String(error)}`);
    }
  }

  private beat(): void {
    if (this.silentBeats >= MAX_SILENT_BEATS) return this.abort('the broker is silent');
    this.silentBeats++;
    if (this.socket.readyState === WebSocket.OPEN) this.socket.ping();
  }
}
