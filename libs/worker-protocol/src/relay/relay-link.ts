import { messageOf } from '@millrace/domain';
import { ProtocolError } from '../protocol-error.js';
import { MAX_UNSENT_BYTES, TAKES_TOO_LITTLE, type Transport } from '../worker-connection.js';
import { decodeRelayFrame, encodeRelayFrame, type RelayFrame, type RelayOpening } from './relay-frames.js';

/** Bytes that one side of a channel may send before the other has taken them. The last frame may exceed it. */
export const RELAY_WINDOW_BYTES = 512 * 1024;
/** Cost of each frame beside its bytes, so that a flood of empty frames is bounded too. */
const FRAME_COST_BYTES = 32;

/** Why a channel ended. */
export interface RelayClosing {
  /** The HTTP status when the worker was refused, otherwise 0. */
  readonly status: number;
  readonly reason: string;
  /** True when the connection between relay and engine is lost, and all its channels with it. */
  readonly isLinkLost: boolean;
}

/** One worker's connection through a relay, seen from either side. Data that arrives before `onData` is set is lost: set it at once. */
export class RelayChannel {
  onAccepted: () => void = () => undefined;
  onData: (data: Uint8Array) => void = () => undefined;
  /** Called at most once, and not after `close`. */
  onClosed: (closing: RelayClosing) => void = () => undefined;
  /** Called once, whichever side ends the channel. */
  onEnded: () => void = () => undefined;
  /** Called when the channel is writable again after `isWritable` was false. */
  onWritable: () => void = () => undefined;
  isOpen = true;
  isPaused = false;
  private credit = RELAY_WINDOW_BYTES;
  private readonly unsent: Uint8Array[] = [];
  private unsentBytes = 0;
  private readonly unread: Uint8Array[] = [];
  private unreadBytes = 0;
  private takenBytes = 0;

  /** Channels are made by {@link RelayLink} only. */
  constructor(
    readonly id: number,
    readonly opening: RelayOpening,
    private readonly write: (frame: RelayFrame) => void,
    private readonly forget: () => void,
  ) {}

  /** Accepts the worker. */
  accept(): void {
    if (this.isOpen) this.write({ kind: 'accept', channel: this.id });
  }

  /** Sends data, which arrives whole and in order as soon as the other side takes it. */
  send(data: Uint8Array): void {
    if (!this.isOpen) return;
    if (this.credit > 0) return this.transmit(data);
    this.unsent.push(data);
    this.unsentBytes += data.length;
  }

  /** False while sent data waits for the other side. The owner then stops reading its source. */
  get isWritable(): boolean {
    return this.credit > 0;
  }

  get bufferedBytes(): number {
    return this.unsentBytes;
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
    while (this.unread.length > 0 && !this.isPaused && this.isOpen) {
      const data = this.unread.shift()!;
      this.unreadBytes -= costOf(data);
      this.deliver(data);
    }
  }

  close(reason: string, status = 0): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.forget();
    this.write({ kind: 'close', channel: this.id, status, reason });
  }

  /** Handles a frame. Called by the link only. */
  received(frame: Exclude<RelayFrame, { kind: 'open' }>): void {
    switch (frame.kind) {
      case 'accept':
        return this.onAccepted();
      case 'data':
        return this.take(frame.data);
      case 'credit':
        return this.granted(frame.bytes);
      case 'close':
        return this.closed({ status: frame.status, reason: frame.reason, isLinkLost: false });
    }
  }

  /** Ends the channel. Called by the link only. */
  closed(closing: RelayClosing): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.forget();
    this.onClosed(closing);
  }

  private transmit(data: Uint8Array): void {
    this.credit -= costOf(data);
    this.write({ kind: 'data', channel: this.id, data });
  }

  private granted(bytes: number): void {
    const wasWritable = this.isWritable;
    this.credit += bytes;
    while (this.unsent.length > 0 && this.credit > 0) {
      const data = this.unsent.shift()!;
      this.unsentBytes -= data.length;
      this.transmit(data);
    }
    if (!wasWritable && this.isWritable) this.onWritable();
  }

  private take(data: Uint8Array): void {
    if (!this.isPaused && this.unread.length === 0) return this.deliver(data);
    if (this.unreadBytes >= RELAY_WINDOW_BYTES) throw new ProtocolError('a channel sends more than it may');
    this.unread.push(data);
    this.unreadBytes += costOf(data);
  }

  private deliver(data: Uint8Array): void {
    this.takenBytes += costOf(data);
    this.onData(data);
    if (this.takenBytes < RELAY_WINDOW_BYTES / 2 || !this.isOpen) return;
    this.write({ kind: 'credit', channel: this.id, bytes: this.takenBytes });
    this.takenBytes = 0;
  }
}

/**
 * Many workers' connections over one. The owner of the socket feeds it with `receive` and `closed`. Each channel is held back on its own,
 * so none starves the others. A relay calls `open`; an engine is given the channels by `onOpen`, and accepts or closes each.
 */
export class RelayLink {
  private readonly channels = new Map<number, RelayChannel>();
  private nextId = 1;
  private isClosed = false;

  constructor(
    private readonly transport: Transport,
    private readonly onOpen?: (channel: RelayChannel) => void,
  ) {}

  open(opening: RelayOpening): RelayChannel {
    const channel = this.channel(this.nextId++, opening);
    this.write({ kind: 'open', channel: channel.id, opening });
    return channel;
  }

  receive(message: Uint8Array): void {
    if (this.isClosed) return;
    try {
      const frame = decodeRelayFrame(message);
      // The other side may still send frames for a channel that this side has closed.
      if (frame.kind !== 'open') this.channels.get(frame.channel)?.received(frame);
      else if (this.onOpen === undefined || this.channels.has(frame.channel)) {
        throw new ProtocolError(`channel ${frame.channel} cannot be opened`);
      } else this.onOpen(this.channel(frame.channel, frame.opening));
    } catch (error) {
      this.end(messageOf(error));
    }
  }

  closed(reason: string): void {
    if (this.isClosed) return;
    this.isClosed = true;
    for (const channel of [...this.channels.values()]) channel.closed({ status: 0, reason, isLinkLost: true });
  }

  private channel(id: number, opening: RelayOpening): RelayChannel {
    const channel: RelayChannel = new RelayChannel(
      id,
      opening,
      (frame) => this.write(frame),
      () => {
        this.channels.delete(id);
        channel.onEnded();
      },
    );
    this.channels.set(id, channel);
    return channel;
  }

  private write(frame: RelayFrame): void {
    if (this.isClosed) return;
    // Credit keeps each channel within its window and one frame, unless the other side grants credit for bytes it has not taken.
    const most = MAX_UNSENT_BYTES + 2 * RELAY_WINDOW_BYTES * this.channels.size;
    if (this.transport.bufferedBytes() > most) this.end(TAKES_TOO_LITTLE);
    else this.transport.send(encodeRelayFrame(frame));
  }

  private end(reason: string): void {
    this.transport.close(reason);
    this.closed(reason);
  }
}

function costOf(data: Uint8Array): number {
  return data.length + FRAME_COST_BYTES;
}
