import { messageOf } from '@millrace/domain';
import {
  DUPLICATE_WORKER,
  type RelayChannel,
  RelayedWorker,
  type RelayLink,
  type RelayOpening,
} from '@millrace/worker-protocol';
import type { WebSocket } from 'ws';
import type { Log } from '../log.js';

/** Marks for bytes that a worker has not read: above the first its engine is held back, below the other it goes on. */
const HIGH_WATER_BYTES = 1024 * 1024;
const LOW_WATER_BYTES = 256 * 1024;

/** A msgpack worker behind the relay. It keeps its connection while the engines behind it change. */
export class WebSocketMember {
  private readonly worker = new RelayedWorker();
  private channel: RelayChannel | undefined;
  /** A channel to the next engine, which has not accepted it yet. */
  private pending: RelayChannel | undefined;
  private isAlive = true;

  constructor(
    private readonly socket: WebSocket,
    private readonly opening: RelayOpening,
    private readonly log: Log,
  ) {
    socket.on('pong', () => (this.isAlive = true));
    socket.on('error', (error) => this.log.warn('worker connection failed', { reason: error.message }));
    socket.on('close', () => (this.channel ?? this.pending)?.close('the worker is gone'));
    socket.on('message', (data: Buffer, isBinary) => {
      if (isBinary) this.guarded(() => this.fromWorker(data));
    });
  }

  /** Asks an engine to accept the worker. Until it has, nothing is read from the worker. */
  join(link: RelayLink): void {
    const channel = link.open(this.opening);
    channel.onAccepted = () => {
      // Requests that were read after the last engine was lost are answered like those that it had not answered.
      this.answerForMaster();
      this.use(channel);
      this.socket.resume();
    };
    channel.onClosed = ({ status, isLinkLost }) => {
      if (isLinkLost) return;
      this.log.warn('the engine did not take a worker', { status, from: this.opening.remoteAddress });
      this.socket.close(1001);
    };
    this.pending = channel;
  }

  /** Connects the worker with the engine behind the channel. */
  use(channel: RelayChannel): void {
    this.channel = channel;
    this.pending = undefined;
    channel.onData = (data) => this.guarded(() => this.fromMaster(data, channel));
    channel.onWritable = () => this.socket.resume();
    channel.onClosed = ({ isLinkLost, status }) => {
      this.channel = undefined;
      if (status === DUPLICATE_WORKER.status)
        return this.socket.close(DUPLICATE_WORKER.closeCode, DUPLICATE_WORKER.reason);
      if (!isLinkLost) return this.socket.terminate();
      this.socket.pause();
      this.answerForMaster();
    };
  }

  /** Ends a connection that has been silent since the last ping, and pings it again. A paused one cannot answer. */
  ping(): void {
    if (!this.isAlive && !this.socket.isPaused) return this.socket.terminate();
    this.isAlive = false;
    this.socket.ping();
  }

  private fromWorker(data: Buffer): void {
    const message = this.worker.toMaster(data);
    if (message === undefined || this.channel === undefined) return;
    this.channel.send(message);
    if (!this.channel.isWritable) this.socket.pause();
  }

  private fromMaster(data: Uint8Array, channel: RelayChannel): void {
    this.socket.send(this.worker.toWorker(data), () => {
      if (channel.isPaused && this.socket.bufferedAmount < LOW_WATER_BYTES) channel.resume();
    });
    if (this.socket.bufferedAmount > HIGH_WATER_BYTES) channel.pause();
  }

  private answerForMaster(): void {
    for (const message of this.worker.masterLost()) this.socket.send(message);
  }

  /** An unreadable message ends this worker's connection, and no other's. */
  private guarded(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.log.error('worker or engine does not keep to the protocol', { reason: messageOf(error) });
      this.socket.terminate();
    }
  }
}
