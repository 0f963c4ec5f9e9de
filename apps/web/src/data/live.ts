import { type QueryCache, skipToken, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback, useSyncExternalStore } from 'react';
import { ApiError, fetchPage, mayPass, type Page } from './api';
import { feed, queryClient } from './client';
import type { Fed } from './feed';
import { type LiveList, type LiveQuery, merged, withPage } from './lists';
import { socket, type SocketState } from './socket';

export interface Live<T> {
  /** Null until the first answer. */
  readonly items: readonly T[] | null;
  readonly error: string | null;
  readonly next: string | null;
  readonly loadingMore: boolean;
  readonly loadMore: () => void;
}

/**
 * Returns a list that is fetched once and then kept up to date by events. A list that does not exist yet is empty, and events may fill it.
 * With a null query nothing is fetched.
 */
export function useLive<T extends object>(query: LiveQuery<T> | null): Live<T> {
  const path = query?.path ?? '';
  // The topics are part of the key: what other topics would have told before they were consumed has to be fetched.
  const queryKey = [path, query?.topics.join(' ') ?? ''];
  const { data, error, failureReason } = useQuery<LiveList<T>>({
    queryKey,
    queryFn: query ? (context) => feed.fetch(context, () => fetchList(query, context.signal)) : skipToken,
    meta: query ? { fed: fedBy(query) } : {},
    placeholderData: (shown, from) => (from?.queryKey[0] === path ? shown : undefined),
    refetchInterval: query?.refetchEveryMs ?? false,
  });
  const next = data?.next ?? null;
  const {
    mutate: loadPage,
    isPending: loadingMore,
    variables: asked,
    error: moreError,
  } = useMutation({
    mutationFn: (from: string) => fetchPage<T>(from, query!.plural),
    onSuccess: (page, from) =>
      queryClient.setQueryData<LiveList<T>>(queryKey, (list) => list && withPage(list, from, page, query!)),
  });
  const loadMore = useCallback(() => {
    if (next && !loadingMore) loadPage(next);
  }, [next, loadingMore, loadPage]);
  return {
    items: data?.items ?? null,
    error: (failureReason ?? error ?? (asked === next ? moreError : null))?.message ?? null,
    next,
    loadingMore,
    loadMore,
  };
}

/** Returns one row, kept up to date by events. It is `null` when there is no such row, `undefined` until the answer. */
export function useLiveOne<T extends object>(
  query: LiveQuery<T> | null,
): { item: T | null | undefined; error: string | null } {
  const { items, error } = useLive(query);
  return { item: items && (items[0] ?? null), error };
}

function fedBy<T>(query: LiveQuery<T>): Fed<LiveList<T>> {
  return { topics: query.topics, merge: (list, messages) => merged(list, messages as T[], query) };
}

async function fetchList<T>({ path, plural }: LiveQuery<T>, signal: AbortSignal): Promise<LiveList<T>> {
  const { items, next } = await fetchPage<T>(path, plural, signal).catch(nothingThere<T>);
  return { items, next, loaded: items.length };
}

function nothingThere<T>(error: unknown): Page<T> {
  if (error instanceof ApiError && error.status === 404) return { items: [], next: null, total: 0 };
  throw error;
}

/** Returns the error of a query that is being retried, for pages that show older data meanwhile. */
export function useTrouble(): string | null {
  const cache = useQueryClient().getQueryCache();
  return useSyncExternalStore(
    useCallback((listener: () => void) => cache.subscribe(listener), [cache]),
    () => troubleOf(cache),
  );
}

function troubleOf(cache: QueryCache): string | null {
  const failing = cache.getAll().find((query) => {
    const { fetchStatus, fetchFailureReason } = query.state;
    return fetchStatus !== 'idle' && fetchFailureReason !== null && mayPass(fetchFailureReason) && query.isActive();
  });
  return failing?.state.fetchFailureReason?.message ?? null;
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

/** Returns the current time in seconds since the epoch, updated every second. */
export function useNow(): number {
  return useSyncExternalStore(
    (listener) => {
      clockListeners.add(listener);
      return () => clockListeners.delete(listener);
    },
    () => clock,
  );
}
