import type { Page } from './api';

export interface LiveQuery<T> {
  /** Path below `/api/v2/`. A query with another path is another query. */
  readonly path: string;
  readonly plural: string;
  readonly id: (item: T) => number | string;
  /** Filters of the events that carry such items. */
  readonly topics: readonly string[];
  /** Whether an item of an event belongs to the list. Other items are removed. */
  readonly keep?: (item: T) => boolean;
  readonly compare?: (a: T, b: T) => number;
  /** Length to which the list is cut after live additions. Pages loaded on request are kept as well. */
  readonly limit?: number;
  /** Interval of fetching again, for data without events. */
  readonly refetchEveryMs?: number;
}

/** The cached data of a query. */
export interface LiveList<T> {
  readonly items: readonly T[];
  /** Path of the next page, below `/api/v2/`. */
  readonly next: string | null;
  /** Number of fetched items. Live additions never make the list shorter than this. */
  readonly loaded: number;
}

/** Returns the list with the items of events. */
export function merged<T>(list: LiveList<T>, brought: readonly T[], query: LiveQuery<T>): LiveList<T> {
  const byId = new Map(list.items.map((item) => [query.id(item), item]));
  for (const item of brought) {
    if (query.keep && !query.keep(item)) byId.delete(query.id(item));
    else byId.set(query.id(item), item);
  }
  const items = [...byId.values()];
  if (query.compare) items.sort(query.compare);
  return {
    ...list,
    items: query.limit === undefined ? items : items.slice(0, Math.max(query.limit, list.loaded)),
  };
}

/** Returns the list with its next page. A list that was fetched again meanwhile continues elsewhere, and is returned unchanged. */
export function withPage<T>(list: LiveList<T>, from: string, page: Page<T>, query: LiveQuery<T>): LiveList<T> {
  if (list.next !== from) return list;
  const known = new Set(list.items.map(query.id));
  const items = [...list.items, ...page.items.filter((item) => !known.has(query.id(item)))];
  return { items, next: page.next, loaded: items.length };
}
