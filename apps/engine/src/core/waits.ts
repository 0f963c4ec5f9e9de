/** A waiting thing, and how long it has waited by the database's clock. */
export interface Waiting {
  readonly key: string;
  readonly forMs: number;
}

/**
 * Measures how long things have waited, by a clock that nobody sets. The wait by the database's clock counts only when a thing is first
 * seen, because that clock may be set while the thing waits.
 */
export class Waits {
  private since = new Map<string, number>();

  /**
   * Returns how long each thing has waited, by key.
   * @param waiting all things that wait now; one that is missing from a call and comes again later begins a new wait
   */
  look(waiting: readonly Waiting[], nowMs: number): ReadonlyMap<string, number> {
    this.since = new Map(waiting.map(({ key, forMs }) => [key, this.since.get(key) ?? nowMs - Math.max(0, forMs)]));
    return new Map([...this.since].map(([key, sinceMs]) => [key, nowMs - sinceMs]));
  }
}
