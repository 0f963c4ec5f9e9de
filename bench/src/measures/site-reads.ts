import { LONG_LOG } from '../systems/long-log.js';

/** What is read of a history of so many builds: lists, filters that an index answers, filters that none does, and a page of a long log. */
export function readsOf(builds: number, nowMs: number): Record<string, string> {
  const hourAgo = Math.floor(nowMs / 1000) - 3600;
  const lines = LONG_LOG.chunks * LONG_LOG.linesOfChunk;
  const newest = 'order=-buildid&limit=20';
  return {
    'newest builds': `builds?${newest}`,
    'builds by their end': 'builds?complete=true&order=-complete_at&limit=20',
    'builds by their request': 'builds?order=-buildrequestid&limit=20',
    'the grid’s builds': 'builds?order=-buildrequestid&limit=1000',
    'a result': `builds?results=2&${newest}`,
    results__in: `builds?results__in=1&results__in=2&${newest}`,
    results__ne: `builds?results__ne=0&${newest}`,
    results__notin: `builds?results__notin=0&results__notin=1&${newest}`,
    complete_at__gt: `builds?complete_at__gt=${hourAgo}&${newest}`,
    masterid: `builds?masterid=1&${newest}`,
    state_string__contains: `builds?state_string__contains=successful&${newest}`,
    'state_string__contains, nothing found': `builds?state_string__contains=nothing&${newest}`,
    'requests that wait': 'buildrequests?claimed=false&limit=20',
    'newest requests': 'buildrequests?order=-buildrequestid&limit=20',
    'a build’s steps': `builds/${Math.floor(builds / 90) * 45 + 1}/steps`,
    'the middle of a log of 1 GB': `logs/${LONG_LOG.id}/contents?offset=${lines / 2}&limit=1000`,
  };
}
