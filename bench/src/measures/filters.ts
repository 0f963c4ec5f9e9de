import { deflateRawSync } from 'node:zlib';
import type { Database } from '@millrace/database';
import type { Figure } from '../figures.js';
import { latencies, rounded } from '../stats.js';
import type { StackName } from '../systems/millrace.js';
import { rowsRead, type Site, startSite } from '../systems/site.js';

const ROUNDS = 20;
const READS = 10;
const WARM_UP_READS = 20;
/** A log of a gigabyte. */
const LOG = { chunks: 16_384, linesOfChunk: 1024, charactersOfLine: 64 };
/** The first build, which is visible. */
const LOG_ID = 1;

/** What is read of a history of so many builds: lists, filters that an index answers, filters that none does, and a page of a long log. */
function readsOf(builds: number, nowMs: number): Record<string, string> {
  const hourAgo = Math.floor(nowMs / 1000) - 3600;
  const lines = LOG.chunks * LOG.linesOfChunk;
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
    'the middle of a log of 1 GB': `logs/${LOG_ID}/contents?offset=${lines / 2}&limit=1000`,
  };
}

/**
 * Measures reads of somebody who has signed in and does not see everything, with histories that differ only in their length. They take turns,
 * so that other load on the machine slows all of them.
 */
export async function filters(
  name: StackName,
  histories: readonly number[],
  say: (text: string) => void,
): Promise<{ figures: Figure[]; notes: string[] }> {
  const sites: { readonly builds: number; readonly site: Site }[] = [];
  try {
    for (const builds of histories) {
      const startedAt = performance.now();
      const site = await startSite(name, builds);
      await writeLog(site.db);
      say(`a site with ${builds} builds was ready after ${Math.round((performance.now() - startedAt) / 1000)} s`);
      sites.push({ builds, site });
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
          void figures.push({ name: `${what}: ${part}, ${builds} builds`, unit: 'ms', better: 'less', value });
        figure('p50', p50Ms);
        figure('p99', p99Ms);
      }
      const p50s = measured.map(({ samplesMs }) => latencies(samplesMs).p50Ms);
      if (sites.length > 1)
        figures.push({
          ...{ name: `${what}: p50, last / first history`, unit: '×', better: 'less' },
          value: rounded(p50s.at(-1)! / p50s[0]!),
        });
      const rows = measured.map(({ rows: count }) => (count === null ? '?' : Math.round(count)));
      notes.push(`${what}: ${rows.join(', ')} rows read for a read`);
    }
    return { figures, notes };
  } finally {
    for (const { site } of sites) await site.stop();
  }
}

interface Measured {
  readonly samplesMs: number[];
  /** Rows read for a read; null where they are not counted. */
  rows: number | null;
}

async function inTurns(places: readonly { readonly site: Site; readonly path: string }[]): Promise<Measured[]> {
  const measured = places.map((): Measured => ({ samplesMs: [], rows: 0 }));
  for (const { site, path } of places) for (let i = 0; i < WARM_UP_READS; i++) await site.api.get(path);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [index, { site, path }] of places.entries()) {
      const one = measured[index]!;
      const before = await rowsRead(site.db);
      for (let i = 0; i < READS; i++) {
        const startedAt = performance.now();
        await site.api.get(path);
        one.samplesMs.push(performance.now() - startedAt);
      }
      const after = await rowsRead(site.db);
      one.rows = before === null || one.rows === null ? null : one.rows + (after! - before) / (ROUNDS * READS);
    }
  }
  return measured;
}

/** Makes a log of the history as long as a gigabyte. Its chunks are the same, so that they are written inside the database. */
async function writeLog(db: Database): Promise<void> {
  const { chunks, linesOfChunk, charactersOfLine } = LOG;
  const line = `o${'a line of a long log '.repeat(charactersOfLine).slice(0, charactersOfLine - 2)}\n`;
  const content = deflateRawSync(line.repeat(linesOfChunk), { level: 1 });
  await db.transaction(async (tx) => {
    await tx.run(`DELETE FROM log_chunks WHERE log_id = ${LOG_ID}`);
    await tx.run(
      `INSERT INTO log_chunks (log_id, first_line, num_lines, codec, content) VALUES (${LOG_ID}, 0, ${linesOfChunk}, 'deflate', ?)`,
      [content],
    );
    for (let count = 1; count < chunks; count *= 2) {
      await tx.run(
        `INSERT INTO log_chunks (log_id, first_line, num_lines, codec, content)
         SELECT log_id, first_line + ${count * linesOfChunk}, num_lines, codec, content FROM log_chunks WHERE log_id = ${LOG_ID}`,
      );
    }
    await tx.run(`UPDATE logs SET num_lines = ${chunks * linesOfChunk} WHERE id = ${LOG_ID}`);
  });
}
