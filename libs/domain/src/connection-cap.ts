export interface CapLimits {
  /** Connections at a time. */
  readonly max: number;
  /** Of one address. Default: no limit of their own. */
  readonly maxPerAddress?: number;
  /** Whether those in use count towards the limit of their address too. */
  readonly countsInUse?: boolean;
}

interface Member {
  readonly group: string | null;
  inUse: boolean;
}

/**
 * Who of a listener's connections has to go when there are too many. One that is in use (has joined, consumes, is being answered) never
 * goes for another; of the others the oldest goes first. So whoever only opens connections displaces nobody but those like them.
 */
export class ConnectionCap<C extends object> {
  private readonly members = new Map<C, Member>();
  /** In the order in which they go. */
  private readonly idle = new Set<C>();
  private readonly idleByGroup = new Map<string, Set<C>>();
  private readonly inUseByGroup = new Map<string, number>();

  constructor(private readonly limits: CapLimits) {}

  get size(): number {
    return this.members.size;
  }

  /**
   * Takes a new connection, which is not in use yet.
   *
   * @param address where it is from; null is not limited by address
   * @returns the connection to end: an older one, the new one itself where nobody can go for it, or null
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

  /** From now on nobody displaces it. */
  use(connection: C): void {
    const member = this.members.get(connection);
    if (!member || member.inUse) return;
    member.inUse = true;
    this.removeIdle(connection, member.group);
    if (member.group !== null) this.inUseByGroup.set(member.group, this.inUseOf(member.group) + 1);
  }

  /** It may be displaced again, as the youngest. */
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

/** Who counts as the same: an IPv4 address, however it is written, and the 64 bits of IPv6 that one household or machine has for itself. */
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
