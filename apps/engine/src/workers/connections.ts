import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { addressGroup } from '@millrace/domain';
import type { RelayChannel } from '@millrace/worker-protocol';
import { WaitingRoom } from '../core/waiting-room.js';

export type WorkerProtocol = 'pb' | 'msgpack';

/** A connection that may be a worker's: over TCP, or a relay's channel. */
export interface Connection {
  readonly socket: Socket;
  /** The relay's connection that carries it. */
  readonly relay?: Connection;
  /** The worker's own address, also behind a balancer or a relay that reports it. */
  address: string;
  /** Null before the connection has sent something, or has been silent for long enough. */
  protocol: WorkerProtocol | null;
  isLoggedIn: boolean;
  /** Closes the connection without an answer. */
  readonly end: () => void;
  /** True when there is no room for the connection. It is refused in its own protocol. */
  readonly isTooMany: boolean;
}

/** A connection that is not logged in by then is closed. Longer than a refused PB worker waits before it closes the connection itself. */
const LOGIN_WITHIN_MS = 90_000;
/** A login over msgpack is one HTTP request, and must arrive completely in this time. */
const REQUEST_WITHIN_MS = 30_000;
/** Descriptors for everything except workers: database, files, pipes to runners, and workers that are being turned away. */
const RESERVED_DESCRIPTORS = 320;
/** Most connections that are being turned away with an answer. Beyond that the oldest is closed without one. */
const MOST_TURNED_AWAY = 100;
/** Least room for connections that want to log in, even when nearly all places are taken by those that have. */
const LEAST_WAITING = 64;

/** The limit of connections. */
export interface ConnectionLimit {
  /** Null when the operating system has no limit, or does not report it. */
  readonly descriptors: number | null;
  readonly most: number;
  /** True when more was configured than the descriptors allow. */
  readonly isCut: boolean;
}

/** @param wanted the setting; null for as many as possible */
export function connectionLimit(wanted: number | null, descriptors: number | null = openFilesLimit()): ConnectionLimit {
  const possible =
    descriptors === null ? Infinity : Math.max(descriptors - RESERVED_DESCRIPTORS, Math.floor(descriptors / 2));
  const most = Math.min(wanted ?? Infinity, possible);
  return { descriptors, most, isCut: wanted !== null && wanted > possible };
}

/** Returns the limit of open files. Node has raised the soft limit to the hard one at start; only a person can raise that. */
function openFilesLimit(): number | null {
  try {
    const soft = /^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    return soft === undefined || soft === 'unlimited' ? null : Number(soft);
  } catch {
    return null; // Not Linux.
  }
}

/** All connections to the workers' ports. Those that have not logged in take no place from those that have, and displace one another. */
export class Connections {
  /** Connections that have logged in. */
  private readonly admitted = new Set<Connection>();
  private readonly waiting: WaitingRoom<Connection>;
  private readonly turnedAway = new Set<Connection>();
  private undecidedCount = 0;
  private readonly byStream = new WeakMap<Duplex, Connection>();

  /** @param loginsPerAddress connections of an address that may wait for their login at a time */
  constructor(
    readonly limit: ConnectionLimit,
    loginsPerAddress: number,
    private readonly onDisplaced: (connection: Connection) => void = () => undefined,
  ) {
    this.waiting = new WaitingRoom(loginsPerAddress);
  }

  get size(): number {
    return this.admitted.size + this.waiting.size;
  }

  /** Number of connections whose protocol is not known yet. */
  get undecided(): number {
    return this.undecidedCount;
  }

  decide(connection: Connection, protocol: WorkerProtocol): void {
    if (connection.protocol === null && this.waiting.has(connection)) this.undecidedCount--;
    connection.protocol = protocol;
  }

  count(protocol: WorkerProtocol | null): number {
    let count = 0;
    for (const connections of [this.admitted, this.waiting])
      for (const connection of connections) if (connection.protocol === protocol) count++;
    return count;
  }

  accept(socket: Socket): Connection {
    const { remoteAddress = '' } = socket;
    const connection: Connection = {
      socket,
      address: remoteAddress,
      protocol: null,
      isLoggedIn: false,
      isTooMany: this.isFull,
      end: () => void socket.destroy(),
    };
    if (connection.isTooMany) {
      this.turnedAway.add(connection);
      if (this.turnedAway.size > MOST_TURNED_AWAY) {
        const [oldest] = this.turnedAway;
        this.turnedAway.delete(oldest!);
        oldest!.end();
      }
    } else this.enter(connection);
    socket.once('close', () => this.left(connection));
    return connection;
  }

  /** Adds a relay's channel. It takes no descriptor, but counts like a socket. The caller refuses one that is too many. */
  relayed(channel: RelayChannel, relay: Connection): Connection {
    const { protocol, remoteAddress: address } = channel.opening;
    const connection: Connection = {
      socket: relay.socket,
      relay,
      address,
      protocol,
      isLoggedIn: false,
      isTooMany: this.isFull,
      end: () => channel.close('there is no room for another worker', 503),
    };
    if (!connection.isTooMany) {
      channel.onEnded = () => this.left(connection);
      this.enter(connection);
    }
    return connection;
  }

  /** Sets the real address of a connection through a balancer. */
  comesFrom(connection: Connection, address: string): void {
    connection.address = address;
    this.displaced(this.waiting.move(connection, loginAddress(connection)));
  }

  /** Admits a connection with right credentials. Returns false when there is no place for it. */
  admit(connection: Connection): boolean {
    if (this.isFull || !this.waiting.delete(connection)) return false;
    this.undecide(connection);
    this.admitted.add(connection);
    return true;
  }

  /** Records the connection of a stream: the socket itself, or TLS on it. */
  carry(stream: Duplex, connection: Connection): void {
    this.byStream.set(stream, connection);
  }

  of(stream: Duplex): Connection | undefined {
    return this.byStream.get(stream);
  }

  closeAll(): void {
    for (const { socket } of [...this.admitted, ...this.waiting, ...this.turnedAway]) socket.destroy();
  }

  /** True when every place is taken by a connection that has logged in. */
  private get isFull(): boolean {
    return this.admitted.size >= this.limit.most;
  }

  private enter(connection: Connection): void {
    if (connection.protocol === null) this.undecidedCount++;
    const room = Math.max(LEAST_WAITING, this.limit.most - this.admitted.size);
    this.displaced(this.waiting.add(connection, loginAddress(connection), room));
  }

  private left(connection: Connection): void {
    this.turnedAway.delete(connection);
    this.admitted.delete(connection);
    if (this.waiting.delete(connection)) this.undecide(connection);
  }

  private displaced(connections: readonly Connection[]): void {
    for (const connection of connections) {
      this.undecide(connection);
      this.onDisplaced(connection);
      connection.end();
    }
  }

  private undecide({ protocol }: Connection): void {
    if (protocol === null) this.undecidedCount--;
  }
}

/** Ends the connection when it does not log in in time. */
export function expectLogin(connection: Connection, stream: Duplex): void {
  const endIf = (isLate: () => boolean, afterMs: number): NodeJS.Timeout =>
    setTimeout(() => {
      if (!connection.isLoggedIn && isLate()) stream.destroy();
    }, afterMs);
  const timers = [
    endIf(() => connection.protocol === 'msgpack', REQUEST_WITHIN_MS),
    endIf(() => true, LOGIN_WITHIN_MS),
  ];
  stream.once('close', () => timers.forEach(clearTimeout));
}

/**
 * Returns the address at which failures to log in and waiting logins are counted: of IPv6 the part that one household has for itself. A
 * relay could claim any address of a worker, so the relay's own address counts.
 */
export function loginAddress({ relay, address }: Connection): string {
  return addressGroup(relay?.address ?? address);
}
