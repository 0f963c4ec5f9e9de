import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { OperationalError } from '@millrace/domain';
import type { CrowdReport, CrowdRequest, CrowdSetup } from '../crowd.js';
import { answered, type Figure, type SystemFigures } from '../figures.js';
import { memoryBytes } from '../processes.js';
import { latencies } from '../stats.js';
import type { Site, SiteSystem } from '../systems/site.js';
import { sampleReads } from './reads.js';
import { readsOf } from './site-reads.js';

const CRAWLS_PER_SECOND = 50;
const STREAMS = 1000;
const READ_EVERY_MS = 50;
const EVENT_EVERY_MS = 1000;
/** Reads before those that count: what runs for the first time is slow. */
const WARM_UP_MS = 3000;
const PHASE_MS = 30_000;

/**
 * Measures what somebody reads, alone and beside a crowd: a crawler without a login, and streams that all hear of new requests. What
 * `filters` measures one by one is read in turn. With the same history the systems come one soon after the other.
 */
export async function crowd(systems: readonly SiteSystem[], histories: readonly number[]): Promise<SystemFigures[]> {
  const results = systems.map(({ name }): SystemFigures => ({ system: name, figures: [], notes: [] }));
  for (const builds of histories) {
    for (const [index, { most, start }] of systems.entries()) {
      if (builds > most) continue;
      const { figures, notes } = await besideCrowd(await start(builds), builds);
      results[index]!.figures.push(...figures);
      results[index]!.notes.push(...notes);
    }
  }
  return results;
}

/** Measures one site, and stops it. */
async function besideCrowd(site: Site, builds: number): Promise<Omit<SystemFigures, 'system'>> {
  const figures: Figure[] = [];
  const notes: string[] = [];
  let crowd: Crowd | null = null;
  try {
    await site.writeLongLog();
    const paths = Object.values(readsOf(builds, Date.now())).map((path) => `/api/v2/${path}`);
    const alone = await phase(site, paths);
    const memoryBefore = memoryBytes(site.pid);
    crowd = await Crowd.start({
      ...{ url: site.url, builds },
      ...{ streams: STREAMS, crawlsPerSecond: CRAWLS_PER_SECOND },
    });
    crowd.crawl();
    const forcing = repeated(EVENT_EVERY_MS, () => site.api.force('b0'));
    const beside = await phase(site, paths);
    const memory = memoryBytes(site.pid);
    const [{ crawled, answered: crawls, events, open }] = await Promise.all([crowd.stop(), forcing.stop()]);
    const of = `${builds} builds of history`;
    const figure = (what: string, unit: string, value: Figure['value']): void =>
      void figures.push({ name: `${what}, ${of}`, unit, better: 'less', value });
    figure('a reader, alone: p50', 'ms', answered(alone.p50Ms));
    figure('a reader, alone: p99', 'ms', answered(alone.p99Ms));
    figure('a reader, beside a crowd: p50', 'ms', answered(beside.p50Ms));
    figure('a reader, beside a crowd: p99', 'ms', answered(beside.p99Ms));
    figure('requests of the crawler without an answer', '%', (100 * (crawled - crawls)) / crawled);
    figure(`streams of ${STREAMS} that are not open`, '', STREAMS - open);
    figure('memory of the process that answers, beside a crowd', 'MB', memory / 1e6);
    const rows = alone.rows === null ? '' : `; ${Math.round(alone.rows / alone.count)} rows read for a read, alone`;
    notes.push(
      `crowd, ${of}: ${beside.count} reads beside ${crawled} of the crawler, of which ${crawls} were answered, and ${open} streams, ` +
        `which heard ${events} events; the process had ${Math.round(memoryBefore / 1e6)} MB before${rows}`,
    );
  } finally {
    crowd?.kill();
    await site.stop();
  }
  return { figures, notes };
}

interface Phase {
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Rows that the server has read meanwhile for everybody; null where it does not count them. */
  readonly rows: number | null;
}

async function phase({ api, rowsRead }: Site, paths: readonly string[]): Promise<Phase> {
  let next = 0;
  const path = (): string => paths[next++ % paths.length]!;
  const readsFor = (forMs: number): Promise<number[]> => {
    const untilMs = performance.now() + forMs;
    return sampleReads(api, READ_EVERY_MS, () => performance.now() < untilMs, path);
  };
  await readsFor(WARM_UP_MS);
  const before = await rowsRead();
  const samples = await readsFor(PHASE_MS);
  const after = await rowsRead();
  return { ...latencies(samples), rows: before === null ? null : after! - before };
}

function repeated(everyMs: number, work: () => Promise<unknown>): { stop(): Promise<void> } {
  const ended = new AbortController();
  const run = (async () => {
    while (!ended.signal.aborted) {
      await work().catch(ignoreUnanswered);
      await delay(everyMs);
    }
  })();
  return {
    async stop() {
      ended.abort();
      await run;
    },
  };
}

/** What a system does not answer in time it does not do: that is measured, and no reason to end. */
function ignoreUnanswered(error: unknown): void {
  if (!(error instanceof OperationalError && error.code === 'api-unanswered')) throw error;
}

/** A process of its own with the streams and the crawler, so that what it does holds up no answer to the reader here. */
class Crowd {
  private constructor(private readonly child: ChildProcess) {}

  /** Starts it. All streams are open then that the system accepts. */
  static async start(setup: CrowdSetup): Promise<Crowd> {
    const crowd = new Crowd(fork(join(import.meta.dirname, '../crowd.js'), [JSON.stringify(setup)]));
    await crowd.hears('open');
    return crowd;
  }

  crawl(): void {
    this.child.send('crawl' satisfies CrowdRequest);
  }

  /** Ends the crawler, and then all. */
  async stop(): Promise<Extract<CrowdReport, { kind: 'done' }>> {
    const done = this.hears('done');
    this.child.send('stop' satisfies CrowdRequest);
    const report = await done;
    this.child.disconnect();
    return report;
  }

  kill(): void {
    this.child.kill();
  }

  private hears<K extends CrowdReport['kind']>(kind: K): Promise<Extract<CrowdReport, { kind: K }>> {
    return new Promise((resolve, reject) => {
      this.child.once('exit', (code) => reject(new OperationalError('crowd', `the crowd ended with ${code}`)));
      this.child.once('message', (report: CrowdReport) => {
        if (report.kind === kind) resolve(report as Extract<CrowdReport, { kind: K }>);
        else reject(new OperationalError('crowd', `the crowd said ${report.kind} instead of ${kind}`));
      });
    });
  }
}
