import { setTimeout as delay } from 'node:timers/promises';
import type { Database } from '@millrace/database';
import type { Api } from '../api.js';
import { type Latencies, latencies } from '../stats.js';

/** Measures one trivial build at a time on an idle system, from the force to the API saying complete (polled every 3 ms). */
export async function triggerLatency(api: Api, count: number): Promise<Latencies> {
  return latencies(await sampleTriggers(api, count));
}

/**
 * Measures trivial builds one at a time.
 * @returns each build's milliseconds
 */
export async function sampleTriggers(api: Api, count: number): Promise<number[]> {
  const samples: number[] = [];
  for (let i = 0; i < count; i++) samples.push(await api.forceAndWait('b0', 3));
  return samples;
}

/**
 * Measures trivial builds of 20 builders, all forced at once.
 * @returns builds per second, from the first force to the last end
 */
export async function buildsPerSecond(api: Api, count: number): Promise<number> {
  const startedAt = performance.now();
  const todo = Array.from({ length: count }, (_, i) => i);
  const forced: number[] = [];
  const submitter = async (): Promise<void> => {
    for (let i = todo.pop(); i !== undefined; i = todo.pop()) forced.push(await api.force(`b${i % 20}`));
  };
  await Promise.all(Array.from({ length: 8 }, submitter));
  const first = Math.min(...forced);
  for (;;) {
    // One row is enough: the question must not cost more than the builds.
    const path = `/api/v2/buildsets?complete=false&bsid__ge=${first}&limit=1`;
    if ((await api.get<{ buildsets: unknown[] }>(path)).buildsets.length === 0) break;
    await delay(30);
  }
  return (count / (performance.now() - startedAt)) * 1000;
}

/**
 * Measures the output of one step.
 * @returns lines per second, from the force to the end of its build
 */
export async function linesPerSecond(api: Api, lines: number): Promise<number> {
  return (lines / (await api.forceAndWait('chatty', 10))) * 1000;
}

/** Describes where the time of the newest `count` builds went, on the database's clock. */
export async function phases(db: Database, count: number): Promise<string> {
  const rows = await db.all<{ queued: number; begun: number; step: number; ending: number }>(
    `SELECT b.started_at_ms - r.submitted_at_ms AS queued, s.started_at_ms - b.started_at_ms AS begun,
       s.complete_at_ms - s.started_at_ms AS step, b.complete_at_ms - s.complete_at_ms AS ending
     FROM (SELECT id FROM builds ORDER BY id DESC LIMIT ?) n JOIN builds b ON b.id = n.id
     JOIN build_requests r ON r.id = b.request_id JOIN steps s ON s.build_id = b.id AND s.number >= 0 WHERE b.complete_at_ms IS NOT NULL`,
    [count],
  );
  const median = (pick: (row: (typeof rows)[number]) => number): number => latencies(rows.map(pick)).p50Ms;
  return (
    `median of ${rows.length} builds: ${median((row) => row.queued)} ms from commit of the request to claim, ` +
    `${median((row) => row.begun)} ms to the step's start, ${median((row) => row.step)} ms step, ` +
    `${median((row) => row.ending)} ms to the build's end`
  );
}
