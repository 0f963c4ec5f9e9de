import { basicAuthorization, type Credentials, DUPLICATE_WORKER, type Transport } from '@millrace/worker-protocol';
import type { IncomingMessage } from 'node:http';
import { WebSocket } from 'ws';
import type { Log } from './log.js';
import { reconnectDelayMs } from './reconnect.js';

const HANDSHAKE_TIMEOUT_MS = 5000;
const HANG_UP_PATIENCE_MS = 1000;
const PING_INTERVAL_MS = 5_000;
/** Silence after which the master counts as dead. A master that holds us back does not read our pings, but sends its own. */
const SILENCE_LIMIT_MS = 30_000;
const MAX_FRAME_BYTES = 256 * 1024 * 1024;

/** The session that receives a connection's data. */
export interface LinkSession {
  receive(frame: Uint8Array): void;
  closed(reason: string): void;
}

/** The worker or relay that owns the link. */
export interface LinkOwner {
  /** Called with each new connection. */
  connected(transport: Transport): LinkSession;
  /** Called when the connection is lost and the session closed. */
  disconnected(): void;
}

/**
 * Keeps one connection to a master. Whatever ends it, another attempt follows, with the next master in turn
 * (`docs/protocols.md#connecting`).
 */
export class MasterLink {
  private socket: WebSocket | undefined;
  private attempts = 0;

  constructor(
    private readonly urls: readonly string[],
    private readonly credentials: Credentials,
    private readonly owner: LinkOwner,
    private readonly log: Log,
  ) {}

  /** Resolves when `signal` is aborted and the connection is closed. */
  async run(signal: AbortSignal): Promise<void> {
    signal.addEventListener('abort', () => this.hangUp(), { once: true });
    let failures = 0;
    while (!signal.aborted) {
      const wasLetIn = await this.connectOnce(signal);
      failures = wasLetIn ? 1 : failures + 1;
      if (signal.aborted) return;
      const delayMs = Math.round(reconnectDelayMs(failures, Math.random()));
      this.log.info('waiting before the next attempt', { delayMs });
      await pause(delayMs, signal);
    }
  }

  /** Closes in an orderly way, but does not wait for a master that does not answer. */
  private hangUp(): void {
    const { socket } = this;
    socket?.close(1000);
    setTimeout(() => socket?.terminate(), HANG_UP_PATIENCE_MS).unref();
  }

  /** Runs one connection from its attempt to its end. Returns whether the master accepted us. */
  private connectOnce(signal: AbortSignal): Promise<boolean> {
    const url = this.urls[this.attempts++ % this.urls.length]!;
    const socket = new WebSocket(url, {
      headers: { Authorization: basicAuthorization(this.credentials) },
      perMessageDeflate: false,
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      maxPayload: MAX_FRAME_BYTES,
    });
    this.socket = socket;
    let session: LinkSession | undefined;
    return new Promise((resolve) => {
      socket.on('unexpected-response', (request, response: IncomingMessage) => {
        const status = response.statusCode;
        if (status === 401)
          this.log.error('the master refused our name or password', { master: url, name: this.credentials.name });
        else this.log.error('the master did not accept the connection', { master: url, status });
        request.destroy();
        resolve(false);
      });
      socket.on('open', () => {
        this.log.info('connected', { master: url, name: this.credentials.name });
        session = this.owner.connected(transportOver(socket, this.log));
        this.watchForSilence(socket);
      });
      socket.on('message', (data: Buffer, isBinary) => {
        if (isBinary) session?.receive(data);
      });
      socket.on('error', (error) => {
        if (!signal.aborted) this.log.warn('connection failed', { master: url, reason: error.message });
      });
      socket.on('close', (code) => {
        const { name } = this.credentials;
        const isDuplicate = code === DUPLICATE_WORKER.closeCode;
        if (isDuplicate) this.log.error('another worker of our name is connected', { master: url, name });
        else if (session !== undefined) this.log.info('connection ended', { code });
        session?.closed(`code ${code}`);
        this.owner.disconnected();
        resolve(session !== undefined && !isDuplicate);
      });
    });
  }

  private watchForSilence(socket: WebSocket): void {
    let lastHeardAt = performance.now();
    const heard = (): void => void (lastHeardAt = performance.now());
    socket.on('message', heard);
    socket.on('pong', heard);
    socket.on('ping', heard);
    const timer = setInterval(() => {
      if (performance.now() - lastHeardAt > SILENCE_LIMIT_MS) {
        this.log.warn('the master is silent', { silentMs: Math.round(performance.now() - lastHeardAt) });
        socket.terminate();
      } else socket.ping();
    }, PING_INTERVAL_MS);
    socket.on('close', () => clearInterval(timer));
  }
}

function transportOver(socket: WebSocket, log: Log): Transport {
  return {
    send: (frame) => socket.send(frame),
    close: (reason) => {
      log.error('the master does not keep to the protocol', { reason });
      socket.terminate();
    },
    bufferedBytes: () => socket.bufferedAmount,
  };
}

function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, delayMs);
    signal.addEventListener('abort', done, { once: true });
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
  });
}
