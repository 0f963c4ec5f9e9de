import { Injectable } from '@nestjs/common';
import type { Sight } from '@millrace/domain';
import type { LiveFrame } from './live-frame.js';

/** A receiver of events. `send` must not block and must not throw. */
export interface Subscriber {
  /** What its reader sees now: `Sight.key`, or null for everything. */
  readonly sight: Sight | null;
  send(frame: LiveFrame): void;
}

/**
 * The filters that subscribers consume. A filter has as many segments as the keys it matches, and `*` matches one whole segment. Finding
 * the subscribers of a key costs 2^segments look-ups, however many filters there are.
 */
@Injectable()
export class Subscriptions {
  private readonly byFilter = new Map<string, Set<Subscriber>>();
  private count = 0;

  /** Number of filters of all subscribers together. */
  get size(): number {
    return this.count;
  }

  get isEmpty(): boolean {
    return this.byFilter.size === 0;
  }

  add(filter: string, subscriber: Subscriber): void {
    const set = this.byFilter.get(filter) ?? new Set();
    if (set.has(subscriber)) return;
    this.count++;
    this.byFilter.set(filter, set.add(subscriber));
  }

  remove(filter: string, subscriber: Subscriber): void {
    const set = this.byFilter.get(filter);
    if (set?.delete(subscriber)) this.count--;
    if (set?.size === 0) this.byFilter.delete(filter);
  }

  /** Yields a subscriber once per matching filter, as Buildbot does: two matching filters deliver an event twice. */
  *of(key: string): Generator<Subscriber> {
    const segments = key.split('/');
    for (let mask = 0; mask < 1 << segments.length; mask++) {
      const filter = segments.map((segment, i) => (mask & (1 << i) ? '*' : segment)).join('/');
      const set = this.byFilter.get(filter);
      if (set) yield* set;
    }
  }

  *everybody(): Generator<Subscriber> {
    const seen = new Set<Subscriber>();
    for (const set of this.byFilter.values()) {
      for (const subscriber of set) {
        if (seen.has(subscriber)) continue;
        seen.add(subscriber);
        yield subscriber;
      }
    }
  }
}
