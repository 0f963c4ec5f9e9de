export interface CapLimits {
  /** Most connections at a time. */
  readonly max: number;
  /** Most connections of one address. Default: no separate limit. */
  readonly maxPerAddress?: number;
  /** Whether connections in use count towards the limit of their address too. */
  readonly countsInUse?: boolean;
}

interface Member {
  readonly group: string | null;
  inUse: boolean;
}

/**
 * Decides which of a listener's connections is ended when there are too many. A connection in use (has joined, consumes, is being answered)
 * is never ended for another; of the others the oldest is ended first. So clients that only open connections displace nobody but each
 * other.
 */
export class ConnectionCap<C extends object> {
  private readonly members = new Map<C, Member>();
  /** Connections not in use, in the order in which they are ended. */
  private readonly idle = new Set<C>();
  private readonly idleByGroup = new Map<string, Set<C>>();
  private readonly inUseByGroup = new Map<string, number>();

  constructor(private readonly limits: CapLimits) {}

  get size(): number {
    return this.members.size;
  }

  /**
   * Adds a new connection, which is not in use yet.
   *
   * @param address the remote address; null is not limited by address
   * @returns the connection to end: an older one, the new one itself when all others are in use, or null
   */
  admit(connection: C, address: string | null): C | null {
    const group = address === null ? null : addressGroup(address);
    const loser = this.loserFor(group, connection);
    if (loser === connection) return connection;
    if (loser !== null) this.remove(loser);
    this.members.set(connection, { group, inUse: false });
    this.addIdle(connection, group);
    return loser;
  }

  /** Marks a connection as in use. It is not ended for another any more. */
  use(connection: C): void {
    const member = this.members.get(connection);
    if (!member || member.inUse) return;
    member.inUse = true;
    this.removeIdle(connection, member.group);
    if (member.group !== null) this.inUseByGroup.set(member.group, this.inUseOf(member.group) + 1);
  }

  /** Marks a connection as not in use. It is the youngest of these. */
  rest(connection: C): void {
    const member = this.members.get(connection);
    if (!member?.inUse) return;
    member.inUse = false;
    this.forgetUse(member.group);
    this.addIdle(connection, member.group);
  }

  remove(connection: C): void {
    const member = this.members.get(connection);
    if (!member) return;
    this.members.delete(connection);
    if (member.inUse) this.forgetUse(member.group);
    else this.removeIdle(connection, member.group);
  }

  private loserFor(group: string | null, connection: C): C | null {
    const { max, maxPerAddress = Infinity, countsInUse = false } = this.limits;
    if (group !== null) {
      const waiting = this.idleByGroup.get(group);
      const count = (waiting?.size ?? 0) + (countsInUse ? this.inUseOf(group) : 0);
      if (count >= maxPerAddress) return first(waiting) ?? connection;
    }
    return this.members.size < max ? null : (first(this.idle) ?? connection);
  }

  private addIdle(connection: C, group: string | null): void {
    this.idle.add(connection);
    if (group === null) return;
    const waiting = this.idleByGroup.get(group);
    if (waiting) waiting.add(connection);
    else this.idleByGroup.set(group, new Set([connection]));
  }

  private removeIdle(connection: C, group: string | null): void {
    this.idle.delete(connection);
    if (group === null) return;
    const waiting = this.idleByGroup.get(group)!;
    waiting.delete(connection);
    if (waiting.size === 0) this.idleByGroup.delete(group);
  }

  private inUseOf(group: string): number {
    return this.inUseByGroup.get(group) ?? 0;
  }

  private forgetUse(group: string | null): void {
    if (group === null) return;
    const left = this.inUseOf(group) - 1;
    if (left === 0) this.inUseByGroup.delete(group);
    else this.inUseByGroup.set(group, left);
  }
}

/**
 * Returns the group in which an address is counted: an IPv4 address, however it is written, or the /64 of an IPv6 address, which one
 * household or machine has for itself.
 */
export function addressGroup(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '').split('%')[0]!;
  if (!plain.includes(':')) return plain;
  const [left = '', right] = plain.split('::');
  const groups = left === '' ? [] : left.split(':');
  const tail = right === undefined || right === '' ? [] : right.split(':');
  const zeros = right === undefined ? 0 : Math.max(0, 8 - groups.length - tail.length);
  return `${[...groups, ...new Array<string>(zeros).fill('0'), ...tail].slice(0, 4).join(':').toLowerCase()}::/64`;
}

function first<C>(set: ReadonlySet<C> | undefined): C | undefined {
  return set?.values().next().value;
}
