import type { Page } from './api';

export interface LiveQuery<T> {
  /** Below `/api/v2/`; another path is another query. */
  readonly path: string;
  readonly plural: string;
  readonly id: (item: T) => number | string;
  /** Filters of the events that carry such items. */
  readonly topics: readonly string[];
  /** Whether an item that an event brought belongs here; it is taken out otherwise. */
  readonly keep?: (item: T) => boolean;
  readonly compare?: (a: T, b: T) => number;
  /** What live additions are cut to. Pages that were loaded on request count in. */
  readonly limit?: number;
  /** For what no event tells of. */
  readonly refetchEveryMs?: number;
}

/** What the cache holds of a query. */
export interface LiveList<T> {
  readonly items: readonly T[];
  /** Path of the next page, below `/api/v2/`. */
  readonly next: string | null;
  /** How many items were fetched: fewer are never shown because of live additions. */
  readonly loaded: number;
}

/** The list with what events brought. */
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

/** The list with its next page. One that was fetched anew meanwhile goes on elsewhere, and stays as it is. */
export function withPage<T>(list: LiveList<T>, from: string, page: Page<T>, query: LiveQuery<T>): LiveList<T> {
  if (list.next !== from) return list;
  const known = new Set(list.items.map(query.id));
  const items = [...list.items, ...page.items.filter((item) => !known.has(query.id(item)))];
  return { items, next: page.next, loaded: items.length };
}
