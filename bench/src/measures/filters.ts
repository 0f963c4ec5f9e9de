import { answered, type Figure } from '../figures.js';
import { latencies, rounded } from '../stats.js';
import { LONG_LOG } from '../systems/long-log.js';
import type { Site } from '../systems/site.js';

const ROUNDS = 20;
const READS = 10;
const WARM_UP_READS = 20;
/** How long the same may be read of one site. What takes longer is read less often. */
const READ_MS = 10_000;

/** What is read of a history of so many builds: lists, filters that an index answers, filters that none does, and a page of a long log. */
function readsOf(builds: number, nowMs: number): Record<string, string> {
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

/**
 * Measures reads of sites of which the histories differ only in their length. They take turns, so that other load on the machine slows all of
 * them.
 */
export async function filters(
  start: (builds: number) => Promise<Site>,
  histories: readonly number[],
  say: (text: string) => void,
): Promise<{ figures: Figure[]; notes: string[] }> {
  const sites: { readonly builds: number; readonly site: Site }[] = [];
  try {
    for (const builds of histories) {
      const startedAt = performance.now();
      const site = await start(builds);
      sites.push({ builds, site });
      await site.writeLongLog();
      say(`a site with ${builds} builds was ready after ${Math.round((performance.now() - startedAt) / 1000)} s`);
    }
    const figures: Figure[] = [];
    const notes: string[] = [];
    const nowMs = Date.now();
    for (const what of Object.keys(readsOf(1, nowMs))) {
      const measured = await inTurns(
        sites.map(({ builds, site }) => ({ site, path: `/api/v2/${readsOf(builds, nowMs)[what]!}` })),
      );
      for (const [index, { builds }] of sites.entries()) {
        const { p50Ms, p99Ms } = latencies(measured[index]!.samplesMs);
        const figure = (part: string, value: number): void =>
          void figures.push({
            name: `${what}: ${part}, ${builds} builds`,
            unit: 'ms',
            better: 'less',
            value: answered(value),
          });
        figure('p50', p50Ms);
        figure('p99', p99Ms);
      }
      const p50s = measured.map(({ samplesMs }) => latencies(samplesMs).p50Ms);
      if (sites.length > 1 && p50s.every(Number.isFinite))
        figures.push({
          ...{ name: `${what}: p50, last / first history`, unit: '×', better: 'less' },
          value: rounded(p50s.at(-1)! / p50s[0]!),
        });
      const rows = measured.map(({ samplesMs, rows: count }) => count && Math.round(count / samplesMs.length));
      if (!rows.includes(null)) notes.push(`${what}: ${rows.join(', ')} rows read for a read`);
      const reads = measured.map(({ samplesMs }) => samplesMs.length);
      if (Math.min(...reads) < ROUNDS * READS) notes.push(`${what}: no more than ${reads.join(', ')} reads in time`);
    }
    return { figures, notes };
  } finally {
    for (const { site } of sites) await site.stop();
  }
}

interface Measured {
  /** Infinity where there was no answer. */
  readonly samplesMs: number[];
  /** Rows that were read meanwhile; null where they are not counted. */
  rows: number | null;
}

async function inTurns(places: readonly { readonly site: Site; readonly path: string }[]): Promise<Measured[]> {
  for (const { site, path } of places) await readOften(site, path, WARM_UP_READS, READ_MS);
  const measured = places.map((): Measured => ({ samplesMs: [], rows: 0 }));
  const leftMs = places.map(() => READ_MS);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [index, { site, path }] of places.entries()) {
      if (leftMs[index]! <= 0) continue;
      const one = measured[index]!;
      const startedAt = performance.now();
      const before = await site.rowsRead();
      one.samplesMs.push(...(await readOften(site, path, READS, leftMs[index]!)));
      const after = await site.rowsRead();
      if (one.rows !== null) one.rows = before === null ? null : one.rows + after! - before;
      leftMs[index]! -= performance.now() - startedAt;
    }
  }
  return measured;
}

/** Reads the same so many times one after the other, or as often as it begins within `forMs`. */
async function readOften({ api }: Site, path: string, times: number, forMs: number): Promise<number[]> {
  const untilMs = performance.now() + forMs;
  const samplesMs: number[] = [];
  while (samplesMs.length < times && performance.now() < untilMs) samplesMs.push(await api.getMs(path));
  return samplesMs;
}
