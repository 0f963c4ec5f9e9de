import { useCallback, useEffect, useRef, useState, useSyncExternalStore } from 'react';
import { ApiError, fetchPage, type Page } from './api';
import { socket, type SocketState } from './socket';

const FIRST_RETRY_MS = 2000;
const LONGEST_RETRY_MS = 30_000;

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
}

export interface Live<T> {
  /** Null until the first answer. */
  readonly items: readonly T[] | null;
  readonly error: string | null;
  readonly next: string | null;
  readonly loadingMore: boolean;
  readonly loadMore: () => void;
  readonly refetch: () => void;
}

interface State<T> {
  readonly path: string;
  readonly items: readonly T[] | null;
  readonly error: string | null;
  readonly next: string | null;
  readonly loaded: number;
}

const empty = <T>(path: string): State<T> => ({ path, items: null, error: null, next: null, loaded: 0 });

/**
 * A list that is fetched once and then kept up to date by events. Where there is nothing yet it is empty, and events may fill it.
 * Null: nothing is wanted yet.
 */
export function useLive<T extends object>(query: LiveQuery<T> | null): Live<T> {
  const path = query?.path ?? '';
  const current = useRef(query);
  current.current = query;
  const [state, setState] = useState<State<T>>(() => empty(path));
  const [round, setRound] = useState(0);
  const [loadingMore, setLoadingMore] = useState(false);
  const topics = query?.topics.join(' ') ?? '';

  useEffect(() => socket.onResync(() => setRound((n) => n + 1)), []);

  useEffect(() => {
    const wanted = current.current;
    if (!wanted) return;
    const abort = new AbortController();
    const early = new Map<number | string, T>();
    let arrived = false;
    let queued: T[] = [];
    let frame = 0;
    const flush = (): void => {
      frame = 0;
      const brought = queued;
      queued = [];
      setState((old) =>
        old.path === path && old.items ? { ...old, items: merged(old, brought, current.current!) } : old,
      );
    };
    const listener = (_key: string, message: unknown): void => {
      const item = message as T;
      // What comes before the answer is newer than the answer.
      if (!arrived) early.set(wanted.id(item), item);
      else {
        queued.push(item);
        frame ||= requestAnimationFrame(flush);
      }
    };
    const ends = topics === '' ? [] : topics.split(' ').map((topic) => socket.consume(topic, listener));
    let retry: ReturnType<typeof setTimeout> | undefined;
    const load = (retryMs: number): void => {
      fetchPage<T>(path, wanted.plural, abort.signal)
        .catch(nothingThere<T>)
        .then(
          (page) => {
            arrived = true;
            setTrouble(abort, null);
            const fetched: State<T> = {
              path,
              items: page.items,
              error: null,
              next: page.next,
              loaded: page.items.length,
            };
            setState({ ...fetched, items: early.size > 0 ? merged(fetched, [...early.values()], wanted) : page.items });
          },
          (error: Error) => {
            if (abort.signal.aborted) return;
            setState((old) => ({ ...(old.path === path ? old : empty<T>(path)), error: error.message }));
            if (!mayPass(error)) return;
            setTrouble(abort, error.message);
            retry = setTimeout(() => load(Math.min(retryMs * 2, LONGEST_RETRY_MS)), retryMs);
          },
        );
    };
    load(FIRST_RETRY_MS);
    return () => {
      abort.abort();
      clearTimeout(retry);
      setTrouble(abort, null);
      cancelAnimationFrame(frame);
      for (const end of ends) end();
    };
  }, [path, topics, round]);

  const { next } = state;
  const loadMore = useCallback(() => {
    if (!next || loadingMore || !current.current) return;
    const { plural, id } = current.current;
    setLoadingMore(true);
    fetchPage<T>(next, plural)
      .then(
        (page) =>
          setState((old) => {
            if (old.path !== path || !old.items) return old;
            const known = new Set(old.items.map(id));
            const items = [...old.items, ...page.items.filter((item) => !known.has(id(item)))];
            return { ...old, items, error: null, next: page.next, loaded: items.length };
          }),
        (error: Error) => setState((old) => ({ ...old, error: error.message })),
      )
      .finally(() => setLoadingMore(false));
  }, [path, next, loadingMore]);
  const refetch = useCallback(() => setRound((n) => n + 1), []);

  const shown = state.path === path ? state : empty<T>(path);
  return { items: shown.items, error: shown.error, next: shown.next, loadingMore, loadMore, refetch };
}

function nothingThere<T>(error: unknown): Page<T> {
  if (error instanceof ApiError && error.status === 404) return { items: [], next: null, total: 0 };
  throw error;
}

/** Whether it may work when it is tried again. */
function mayPass(error: Error): boolean {
  return !(error instanceof ApiError) || error.status >= 500;
}

/** What is being tried again, for whoever shows something older meanwhile. */
const troubles = new Map<AbortController, string>();
const troubleListeners = new Set<() => void>();

function setTrouble(query: AbortController, message: string | null): void {
  if (message === null ? !troubles.delete(query) : troubles.get(query) === message) return;
  if (message !== null) troubles.set(query, message);
  for (const listener of troubleListeners) listener();
}

export function useTrouble(): string | null {
  return useSyncExternalStore(
    (listener) => {
      troubleListeners.add(listener);
      return () => troubleListeners.delete(listener);
    },
    () => [...troubles.values()][0] ?? null,
  );
}

function merged<T>(state: State<T>, brought: readonly T[], query: LiveQuery<T>): readonly T[] {
  const byId = new Map(state.items!.map((item) => [query.id(item), item]));
  for (const item of brought) {
    if (query.keep && !query.keep(item)) byId.delete(query.id(item));
    else byId.set(query.id(item), item);
  }
  const items = [...byId.values()];
  if (query.compare) items.sort(query.compare);
  const limit = query.limit === undefined ? undefined : Math.max(query.limit, state.loaded);
  return limit === undefined ? items : items.slice(0, limit);
}

/** One row, live. `null` when there is no such thing, `undefined` until the answer. */
export function useLiveOne<T extends object>(
  query: LiveQuery<T> | null,
): { item: T | null | undefined; error: string | null; refetch: () => void } {
  const { items, error, refetch } = useLive(query);
  return { item: items && (items[0] ?? null), error, refetch };
}

export function useSocketState(): SocketState {
  return useSyncExternalStore(socket.onState, () => socket.state);
}

let clock = Math.floor(Date.now() / 1000);
const clockListeners = new Set<() => void>();
setInterval(() => {
  clock = Math.floor(Date.now() / 1000);
  for (const listener of clockListeners) listener();
}, 1000);

/** Seconds since the epoch, ticking. */
export function useNow(): number {
  return useSyncExternalStore(
    (listener) => {
      clockListeners.add(listener);
      return () => clockListeners.delete(listener);
    },
    () => clock,
  );
}
