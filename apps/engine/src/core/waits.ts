/** Something that waits, and for how long already by the database's clock. */
export interface Waiting {
  readonly key: string;
  readonly forMs: number;
}

/**
 * How long things have waited, by a clock that nobody sets. What the database's clock says counts when a thing is seen first; that clock may be
 * set while it waits.
 */
export class Waits {
  private since = new Map<string, number>();

  /** @param waiting all that wait now: what has gone from among them, and comes again, waits anew */
  look(waiting: readonly Waiting[], nowMs: number): ReadonlyMap<string, number> {
    this.since = new Map(waiting.map(({ key, forMs }) => [key, this.since.get(key) ?? nowMs - Math.max(0, forMs)]));
    return new Map([...this.since].map(([key, sinceMs]) => [key, nowMs - sinceMs]));
  }
}
