import { QueryClient } from '@tanstack/react-query';
import { mayPass } from './api';
import { Feed } from './feed';
import { socket } from './socket';

const FIRST_RETRY_MS = 2000;
const LONGEST_RETRY_MS = 30_000;
/** How long unused data is kept, so that it can be shown at once when the user comes back. */
const KEPT_MS = 60_000;

/** The page's cache. Queries in use are updated by events, so only a loss of events makes them stale; see `Feed`. */
export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: Infinity,
      gcTime: KEPT_MS,
      // A master on this machine can be reached without a network.
      networkMode: 'always',
      refetchOnWindowFocus: false,
      refetchOnReconnect: false,
      retry: (_count, error) => mayPass(error),
      retryDelay: (count) => Math.min(FIRST_RETRY_MS * 2 ** count, LONGEST_RETRY_MS),
    },
    mutations: { networkMode: 'always' },
  },
});

export const feed = new Feed(queryClient, socket);
