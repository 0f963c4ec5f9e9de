import type { BusPayload } from './port.js';

export interface Hint {
  readonly topic: string;
  readonly payload: BusPayload;
}

export type Queued = 'added' | 'coalesced' | 'dropped-oldest';

/** Waiting hints, one per topic. The one that has been unchanged for longest comes first. */
export class HintQueue {
  private readonly hints = new Map<string, BusPayload>();

  constructor(private readonly maxQueued: number) {}

  get size(): number {
    return this.hints.size;
  }

  push(topic: string, payload: BusPayload): Queued {
    const isKnown = this.hints.delete(topic);
    this.hints.set(topic, payload);
    if (isKnown) return 'coalesced';
    return this.trim() > 0 ? 'dropped-oldest' : 'added';
  }

  take(count: number): Hint[] {
    const taken: Hint[] = [];
    for (const [topic, payload] of this.hints) {
      if (taken.length === count) break;
      taken.push({ topic, payload });
    }
    for (const { topic } of taken) this.hints.delete(topic);
    return taken;
  }

  /** Puts unsent hints back in front of all others. A later hint of the same topic is kept instead. */
  putBack(hints: readonly Hint[]): { readonly coalesced: number; readonly dropped: number } {
    const waiting = [...this.hints];
    this.hints.clear();
    for (const { topic, payload } of hints) this.hints.set(topic, payload);
    let coalesced = 0;
    for (const [topic, payload] of waiting) {
      if (this.hints.delete(topic)) coalesced++;
      this.hints.set(topic, payload);
    }
    return { coalesced, dropped: this.trim() };
  }

  /** Drops the oldest hints beyond the limit and returns how many. */
  private trim(): number {
    let dropped = 0;
    for (const topic of this.hints.keys()) {
      if (this.hints.size <= this.maxQueued) break;
      this.hints.delete(topic);
      dropped++;
    }
    return dropped;
  }
}
