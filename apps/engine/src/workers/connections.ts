import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { addressGroup } from '@millrace/domain';
import type { RelayChannel } from '@millrace/worker-protocol';
import { WaitingRoom } from '../core/waiting-room.js';

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
  /** Closes it without a word. */
  readonly end: () => void;
  /** There is no room for it: it is told so in its protocol's words. */
  readonly isTooMany: boolean;
}

/** A connection that is no worker's by then is closed. Longer than a refused PB worker waits before it hangs up itself. */
const LOGIN_WITHIN_MS = 90_000;
/** A login over MessagePack is one HTTP request, and comes whole. */
const REQUEST_WITHIN_MS = 30_000;
/** Descriptors that everything but workers may use: database, files, pipes to runners, and workers that are being turned away. */
const RESERVED_DESCRIPTORS = 320;
/** Connections at a time that are turned away with an answer; for those beyond the oldest of them is closed without one. */
const MOST_TURNED_AWAY = 100;
/** There is room for so many that want to log in, also where nearly all places are taken by those who have. */
const LEAST_WAITING = 64;

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

/**
 * Everything that is connected to the workers' ports. Those that have not logged in take no place of those that have, and make place for
 * one another.
 */
export class Connections {
  /** Those with a place. */
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

  /** Those of which it is not known yet what they speak. */
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

  /** A relay's channel takes no descriptor, but room: it counts like a socket. One that is too many is the caller's to refuse. */
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

  /** It comes through a balancer, from there. */
  comesFrom(connection: Connection, address: string): void {
    connection.address = address;
    this.displaced(this.waiting.move(connection, loginAddress(connection)));
  }

  /** Its credentials are right. False: there is no place for it. */
  admit(connection: Connection): boolean {
    if (this.isFull || !this.waiting.delete(connection)) return false;
    this.undecide(connection);
    this.admitted.add(connection);
    return true;
  }

  /** Remembers whose stream that is: the socket itself, or TLS on it. */
  carry(stream: Duplex, connection: Connection): void {
    this.byStream.set(stream, connection);
  }

  of(stream: Duplex): Connection | undefined {
    return this.byStream.get(stream);
  }

  closeAll(): void {
    for (const { socket } of [...this.admitted, ...this.waiting, ...this.turnedAway]) socket.destroy();
  }

  /** Every place is taken by one that has logged in. */
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

/** Ends the connection when it does not log in. */
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
 * Where failures to log in, and waits for it, count: of IPv6 the part that one household has for itself. A relay may say of each worker what it
 * likes, so that is where the relay is.
 */
export function loginAddress({ relay, address }: Connection): string {
  return addressGroup(relay?.address ?? address);
}
