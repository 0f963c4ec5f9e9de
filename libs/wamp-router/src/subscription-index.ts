export type Match = 'exact' | 'prefix';

export interface Subscription<S> {
  readonly id: number;
  readonly topic: string;
  readonly match: Match;
  readonly sessions: Set<S>;
}

/** Most subscriptions of one session. */
const MAX_SUBSCRIPTIONS = 10_000;

/** Subscriptions by topic. A topic finds its subscriptions with one look-up per distinct prefix length, however many there are. */
export class SubscriptionIndex<S> {
  private readonly byId = new Map<number, Subscription<S>>();
  private readonly byTopic: Readonly<Record<Match, Map<string, Subscription<S>>>> = {
    exact: new Map(),
    prefix: new Map(),
  };
  private readonly prefixLengths = new Map<number, number>();
  private readonly bySession = new Map<S, Set<Subscription<S>>>();
  private lastId = 0;

  get size(): number {
    return this.byId.size;
  }

  /**
   * Adds the session to the one subscription of (match, topic). Repeating it returns the same subscription. Returns undefined when the
   * session has too many.
   */
  add(session: S, match: Match, topic: string): Subscription<S> | undefined {
    let own = this.bySession.get(session);
    if (!own) this.bySession.set(session, (own = new Set()));
    let subscription = this.byTopic[match].get(topic);
    if (own.size >= MAX_SUBSCRIPTIONS && !(subscription && own.has(subscription))) return undefined;
    if (!subscription) {
      subscription = { id: ++this.lastId, topic, match, sessions: new Set() };
      this.byId.set(subscription.id, subscription);
      this.byTopic[match].set(topic, subscription);
      if (match === 'prefix') this.prefixLengths.set(topic.length, (this.prefixLengths.get(topic.length) ?? 0) + 1);
    }
    subscription.sessions.add(session);
    own.add(subscription);
    return subscription;
  }

  /** Removes a subscription. Returns false when the session has no such subscription. */
  remove(session: S, id: number): boolean {
    const subscription = this.byId.get(id);
    if (!subscription?.sessions.has(session)) return false;
    this.bySession.get(session)?.delete(subscription);
    this.leave(session, subscription);
    return true;
  }

  removeSession(session: S): void {
    for (const subscription of this.bySession.get(session) ?? []) this.leave(session, subscription);
    this.bySession.delete(session);
  }

  *matching(topic: string): Generator<Subscription<S>> {
    const exact = this.byTopic.exact.get(topic);
    if (exact) yield exact;
    for (const length of this.prefixLengths.keys()) {
      const prefix = length <= topic.length ? this.byTopic.prefix.get(topic.slice(0, length)) : undefined;
      if (prefix) yield prefix;
    }
  }

  private leave(session: S, subscription: Subscription<S>): void {
    subscription.sessions.delete(session);
    if (subscription.sessions.size > 0) return;
    const { id, topic, match } = subscription;
    this.byId.delete(id);
    this.byTopic[match].delete(topic);
    if (match === 'exact') return;
    const left = this.prefixLengths.get(topic.length)! - 1;
    if (left === 0) this.prefixLengths.delete(topic.length);
    else this.prefixLengths.set(topic.length, left);
  }
}
