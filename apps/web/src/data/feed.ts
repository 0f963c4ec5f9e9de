import type { Query, QueryClient, QueryFunctionContext } from '@tanstack/react-query';

/** A source of events, such as `LiveSocket`. */
export interface Events {
  /**
   * Calls `listener` for every event that matches a filter.
   * @returns a function that unsubscribes
   */
  consume(filter: string, listener: (key: string, message: unknown) => void): () => void;
  /** Calls `listener` when events may have been missed, so that everything shown has to be fetched again. */
  onResync(listener: () => void): () => void;
}

/** How events keep a query up to date: the query's `meta`. */
export interface Fed<T = unknown> {
  /** Filters of the events that concern the query. */
  readonly topics: readonly string[];
  /** Returns the data with events applied, of which each is the newest of its row. */
  readonly merge: (data: T, messages: readonly unknown[]) => T;
}

declare module '@tanstack/react-query' {
  interface Register {
    // eslint-disable-next-line @typescript-eslint/no-explicit-any -- the data of any query
    queryMeta: { readonly fed?: Fed<any> };
  }
}

/** Events within this time change the shown data once. */
const GATHER_MS = 16;
/** Everything is fetched again at most once in this time, however often the server asks for it. */
const RESYNC_EVERY_MS = 1000;

/** Events for one query with observers. */
interface Supply {
  readonly ends: readonly (() => void)[];
  /** Newest event of each row that is not yet in the data. */
  queued: Map<string, unknown>;
  /** Newest events since the beginning of the current fetch; null without one. */
  early: Map<string, unknown> | null;
  timer: ReturnType<typeof setTimeout> | undefined;
}

/**
 * Keeps the cache up to date by events. A query is fetched when it gets its first observer, and is fresh from then on: its topics are
 * consumed from before the fetch until it has no observers any more, and only then it becomes stale. Events that arrive before an answer
 * are newer than the answer. After a gap in the events every query with observers is fetched again from the beginning, because a pending
 * answer may be older than the gap.
 */
export class Feed {
  private readonly supplies = new Map<Query, Supply>();
  private resyncing: ReturnType<typeof setTimeout> | undefined;
  private lastResyncMs = -Infinity;

  constructor(
    private readonly client: QueryClient,
    private readonly events: Events,
    private readonly resyncEveryMs = RESYNC_EVERY_MS,
  ) {
    client.getQueryCache().subscribe((event) => {
      const query = event.query as Query;
      if (event.type === 'observerAdded' && !this.supplies.has(query)) this.begin(query);
      else if (event.type === 'observerRemoved' && query.getObserversCount() === 0) this.end(query);
    });
    events.onResync(() => this.resync());
  }

  /** Fetches for a query's `queryFn`. Returns the answer with the events that overtook it. */
  async fetch<T>({ client, queryKey }: QueryFunctionContext, load: () => Promise<T>): Promise<T> {
    const query = client.getQueryCache().find({ queryKey });
    const supply = query && this.supplies.get(query);
    if (!supply) return load();
    // Queued events are older than the answer will be, and must not be applied after it.
    this.flush(query, supply);
    const early = new Map<string, unknown>();
    supply.early = early;
    try {
      const data = await load();
      return early.size > 0 ? ((query.meta?.fed?.merge(data, [...early.values()]) ?? data) as T) : data;
    } finally {
      if (supply.early === early) supply.early = null;
    }
  }

  private begin(query: Query): void {
    const { fed } = query.meta ?? {};
    if (!fed) return;
    const supply: Supply = {
      ends: fed.topics.map((topic) => this.events.consume(topic, (key, message) => this.take(query, key, message))),
      queued: new Map(),
      early: null,
      timer: undefined,
    };
    this.supplies.set(query, supply);
  }

  private end(query: Query): void {
    const supply = this.supplies.get(query);
    if (!supply) return;
    this.supplies.delete(query);
    clearTimeout(supply.timer);
    for (const end of supply.ends) end();
    query.invalidate();
  }

  private take(query: Query, key: string, message: unknown): void {
    const supply = this.supplies.get(query);
    if (!supply) return;
    const row = key.slice(0, key.lastIndexOf('/') + 1);
    supply.early?.set(row, message);
    supply.queued.set(row, message);
    // Not an animation frame: a window in the background has none, but its icon shows the state all the same.
    supply.timer ??= setTimeout(() => this.flush(query, supply), GATHER_MS);
  }

  private flush(query: Query, supply: Supply): void {
    const messages = [...supply.queued.values()];
    supply.queued = new Map();
    clearTimeout(supply.timer);
    supply.timer = undefined;
    const { data } = query.state;
    if (data === undefined || messages.length === 0) return;
    this.client.setQueryData(query.queryKey, query.meta?.fed?.merge(data, messages));
  }

  private resync(): void {
    if (this.resyncing !== undefined) return;
    const waitMs = Math.max(GATHER_MS, this.lastResyncMs + this.resyncEveryMs - performance.now());
    this.resyncing = setTimeout(() => {
      this.resyncing = undefined;
      this.lastResyncMs = performance.now();
      this.refetch();
    }, waitMs);
  }

  private refetch(): void {
    for (const query of this.supplies.keys()) {
      if (query.isDisabled()) continue;
      void query.cancel({ silent: true });
      query.fetch().catch(() => undefined); // The query's own state has the error.
    }
  }
}
