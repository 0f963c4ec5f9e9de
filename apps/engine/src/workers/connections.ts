import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { RelayChannel } from '@millrace/worker-protocol';

export type WorkerProtocol = 'pb' | 'msgpack';

/** One connection of what may be a worker: over TCP, or a channel of a relay's. */
export interface Connection {
  readonly socket: Socket;
  /** Whose connection carries it. */
  readonly relay?: Connection;
  /** The worker's own, also behind a balancer or a relay that says so. */
  address: string;
  /** Not known before it has spoken, or kept silent for long enough. */
  protocol: WorkerProtocol | null;
  isLoggedIn: boolean;
  /** There is no room for it: it is told so in its protocol's words. */
  readonly isTooMany: boolean;
}

/** A connection that is no worker's by then is closed. Longer than a refused PB worker waits before it hangs up itself. */
const LOGIN_WITHIN_MS = 90_000;
/** Descriptors that everything but workers may use: database, files, pipes to runners, and workers that are being turned away. */
const RESERVED_DESCRIPTORS = 256;
/** Connections at a time that are turned away with an answer; those beyond are closed without one. */
const MOST_TURNED_AWAY = 100;

/** How many connections there can be. */
export interface ConnectionLimit {
  /** Null: the operating system knows of no limit, or does not tell. */
  readonly descriptors: number | null;
  readonly most: number;
  /** What was asked for is more than the descriptors allow. */
  readonly isCut: boolean;
}

/** @param wanted the setting; null for as many as possible */
export function connectionLimit(wanted: number | null, descriptors: number | null = openFilesLimit()): ConnectionLimit {
  const possible =
    descriptors === null ? Infinity : Math.max(descriptors - RESERVED_DESCRIPTORS, Math.floor(descriptors / 2));
  const most = Math.min(wanted ?? Infinity, possible);
  return { descriptors, most, isCut: wanted !== null && wanted > possible };
}

/** Node has raised the soft limit to the hard one by the time we run; what is left is a person's business. */
function openFilesLimit(): number | null {
  try {
    const soft = /^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    return soft === undefined || soft === 'unlimited' ? null : Number(soft);
  } catch {
    return null; // Not Linux.
  }
}

/** Everything that is connected to the workers' ports. */
export class Connections {
  private readonly admitted = new Set<Connection>();
  private readonly turnedAway = new Set<Connection>();
  private undecidedCount = 0;
  private readonly byStream = new WeakMap<Duplex, Connection>();

  constructor(readonly limit: ConnectionLimit) {}

  get size(): number {
    return this.admitted.size;
  }

  /** Those of which it is not known yet what they speak. */
  get undecided(): number {
    return this.undecidedCount;
  }

  decide(connection: Connection, protocol: WorkerProtocol): void {
    if (connection.protocol === null && this.admitted.has(connection)) this.undecidedCount--;
    connection.protocol = protocol;
  }

  count(protocol: WorkerProtocol | null): number {
    let count = 0;
    for (const connection of this.admitted) if (connection.protocol === protocol) count++;
    return count;
  }

  /** Null when it was closed at once. */
  accept(socket: Socket): Connection | null {
    const isTooMany = this.admitted.size >= this.limit.most;
    if (isTooMany && this.turnedAway.size >= MOST_TURNED_AWAY) {
      socket.destroy();
      return null;
    }
    const { remoteAddress = '' } = socket;
    const connection: Connection = { socket, address: remoteAddress, protocol: null, isLoggedIn: false, isTooMany };
    const kept = isTooMany ? this.turnedAway : this.admitted;
    kept.add(connection);
    if (!isTooMany) this.undecidedCount++;
    socket.once('close', () => {
      if (!isTooMany && connection.protocol === null) this.undecidedCount--;
      kept.delete(connection);
    });
    return connection;
  }

  /** A relay's channel takes no descriptor, but room: it counts like a socket. One that is too many is the caller's to refuse. */
  relayed(channel: RelayChannel, relay: Connection): Connection {
    const { protocol, remoteAddress: address } = channel.opening;
    const isTooMany = this.admitted.size >= this.limit.most;
    const connection = { socket: relay.socket, relay, address, protocol, isLoggedIn: false, isTooMany };
    if (!isTooMany) {
      this.admitted.add(connection);
      channel.onEnded = () => this.admitted.delete(connection);
    }
    return connection;
  }

  /** Remembers whose stream that is: the socket itself, or TLS on it. */
  carry(stream: Duplex, connection: Connection): void {
    this.byStream.set(stream, connection);
  }

  of(stream: Duplex): Connection | undefined {
    return this.byStream.get(stream);
  }

  closeAll(): void {
    for (const { socket } of [...this.admitted, ...this.turnedAway]) socket.destroy();
  }
}

/** Ends the connection when it does not log in. */
export function expectLogin(connection: Connection, stream: Duplex): void {
  const late = setTimeout(() => {
    if (!connection.isLoggedIn) stream.destroy();
  }, LOGIN_WITHIN_MS);
  stream.once('close', () => clearTimeout(late));
}

/** Where failures to log in count. A relay may say of each worker what it likes, so that is where the relay is. */
export function loginAddress({ relay, address }: Connection): string {
  return relay?.address ?? address;
}
