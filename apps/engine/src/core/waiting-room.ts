/**
 * Connections that have not logged in yet, by address and in order of arrival. When there are too many, one is displaced so that a newcomer
 * always finds a place: the oldest of the newcomer's address when that has more than an address may have, otherwise the oldest of the
 * address that has the most. An address with few is not displaced by one with many.
 */
export class WaitingRoom<T> {
  private readonly addressOf = new Map<T, string>();
  private readonly byAddress = new Map<string, Set<T>>();

  constructor(private readonly perAddress: number) {}

  get size(): number {
    return this.addressOf.size;
  }

  [Symbol.iterator](): IterableIterator<T> {
    return this.addressOf.keys();
  }

  has(one: T): boolean {
    return this.addressOf.has(one);
  }

  count(address: string): number {
    return this.byAddress.get(address)?.size ?? 0;
  }

  /**
   * Adds a connection.
   * @param room how many may wait in total, the newcomer included
   * @returns the displaced ones, which have been removed
   */
  add(one: T, address: string, room: number): T[] {
    this.put(one, address);
    const displaced = this.overfull(address);
    while (this.size > room) displaced.push(this.displace(this.fullest()));
    return displaced;
  }

  /**
   * Moves a connection to its real address.
   * @returns the displaced ones
   */
  move(one: T, address: string): T[] {
    if (!this.delete(one)) return [];
    this.put(one, address);
    return this.overfull(address);
  }

  delete(one: T): boolean {
    const address = this.addressOf.get(one);
    if (address === undefined) return false;
    this.addressOf.delete(one);
    const neighbours = this.byAddress.get(address)!;
    neighbours.delete(one);
    if (neighbours.size === 0) this.byAddress.delete(address);
    return true;
  }

  private put(one: T, address: string): void {
    this.addressOf.set(one, address);
    const neighbours = this.byAddress.get(address);
    if (neighbours) neighbours.add(one);
    else this.byAddress.set(address, new Set([one]));
  }

  private overfull(address: string): T[] {
    return this.count(address) > this.perAddress ? [this.displace(address)] : [];
  }

  private displace(address: string): T {
    const [oldest] = this.byAddress.get(address)!;
    this.delete(oldest!);
    return oldest!;
  }

  private fullest(): string {
    let fullest = '';
    let most = 0;
    for (const [address, { size }] of this.byAddress) {
      if (size <= most) continue;
      most = size;
      fullest = address;
    }
    return fullest;
  }
}
