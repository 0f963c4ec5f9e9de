import http from 'node:http';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ApiTokenStore, type Database, openDatabase, UserStore } from '@millrace/database';
import { Cluster, eventually, writeHistory } from '@millrace/testing';
import { WebSocket } from 'ws';
import { Api } from '../api.js';
import type { Figure } from '../figures.js';
import { memoryBytes } from '../processes.js';
import { latencies } from '../stats.js';
import { type StackName, startStack } from '../systems/millrace.js';
import { sampleReads } from './reads.js';

const CONFIG = join(import.meta.dirname, '../../configuration/crowd.config.ts');
/** Two thirds of them are visible: more than are read one by one. */
const BUILDERS = 90;
const CRAWLER_PER_SECOND = 50;
/** Half of them over WebSocket, half over SSE. */
const STREAMS = 1000;
const READ_EVERY_MS = 50;
const EVENT_EVERY_MS = 1000;
const PHASE_MS = 15_000;

/** What somebody who is signed in reads: the newest, by the time of the end, and by result. */
const INTERACTIVE = [
  '/api/v2/builds?order=-buildid&limit=20',
  '/api/v2/builds?complete=true&order=-complete_at&limit=20',
  '/api/v2/buildrequests?claimed=false&limit=20',
  '/api/v2/builds?results=2&order=-buildid&limit=20',
];

/**
 * Measures reads of somebody who has signed in and does not see everything, alone and beside a crowd: a crawler without a login, and
 * streams that all hear of new requests.
 */
export async function crowd(
  name: StackName,
  histories: readonly number[],
): Promise<{ figures: Figure[]; notes: string[] }> {
  const figures: Figure[] = [];
  const notes: string[] = [];
  for (const builds of histories) {
    const stack = await startStack(name);
    const builders = Array.from({ length: BUILDERS }, (_, i) => `b${i}`);
    await writeHistory(stack.url, { builds, builders, workers: ['w0'] });
    const db = openDatabase(stack.url, { connections: 1 });
    const cluster = await Cluster.start({
      config: CONFIG,
      folder: stack.folder,
      args: ['--no-worker'],
      ...(stack.databasePid === null ? {} : { database: stack.url }),
      ...(stack.bus ? { bus: stack.bus.url } : {}),
      env: { MILLRACE_WORKER_PASSWORD: 'bench', MILLRACE_LOG_LEVEL: 'warn', BENCH_BUILDERS: String(BUILDERS) },
    });
    const api = new Api(cluster.url, await tokenOf(db));
    const streams = new Streams(cluster.url);
    try {
      const ui = cluster.pids('ui')[0]!;
      const alone = await phase(api, db);
      const memoryBefore = memoryBytes(ui);
      await streams.open(STREAMS);
      const crawler = new Crawler(cluster.url, builds);
      const forcing = repeated(EVENT_EVERY_MS, () => api.force('b0'));
      const beside = await phase(api, db);
      const [crawled] = await Promise.all([crawler.stop(), forcing.stop()]);
      const of = `${builds} builds of history`;
      const figure = (what: string, unit: string, value: number): void =>
        void figures.push({ name: `${what}, ${of}`, unit, better: 'less', value });
      figure('signed in, alone: p50', 'ms', alone.p50Ms);
      figure('signed in, alone: p99', 'ms', alone.p99Ms);
      figure('signed in, beside a crowd: p50', 'ms', beside.p50Ms);
      figure('signed in, beside a crowd: p99', 'ms', beside.p99Ms);
      figure('memory of the UI beside a crowd', 'MB', memoryBytes(ui) / 1e6);
      const rows = alone.rows === null ? '' : `; ${Math.round(alone.rows / alone.count)} rows read for a read, alone`;
      notes.push(
        `crowd, ${of}: ${beside.count} reads beside ${crawled} of the crawler and ${streams.count} streams, which heard ` +
          `${streams.events} events; the UI had ${Math.round(memoryBefore / 1e6)} MB before${rows}`,
      );
    } finally {
      streams.close();
      api.close();
      await db.close();
      await cluster.stop();
      await stack.stop();
    }
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

async function phase(api: Api, db: Database): Promise<Phase> {
  const before = await rowsRead(db);
  const untilMs = performance.now() + PHASE_MS;
  let next = 0;
  const path = (): string => INTERACTIVE[next++ % INTERACTIVE.length]!;
  const samples = await sampleReads(api, READ_EVERY_MS, () => performance.now() < untilMs, path);
  const after = await rowsRead(db);
  return { ...latencies(samples), rows: before === null ? null : after! - before };
}

async function rowsRead(db: Database): Promise<number | null> {
  if (db.dialect.name === 'sqlite') return null;
  const rows = await db.all<{ Value: string }>(`SHOW GLOBAL STATUS LIKE 'Handler_read%'`);
  return rows.reduce((sum, { Value }) => sum + Number(Value), 0);
}

async function tokenOf(db: Database): Promise<string> {
  const username = 'reader';
  await new UserStore(db).add({ username, fullName: null, email: null, password: 'long enough', groups: [] });
  return new ApiTokenStore(db).create({ username, purpose: 'bench', scopes: ['view', 'force'], lifeMs: null });
}

function repeated(everyMs: number, work: () => Promise<unknown>): { stop(): Promise<void> } {
  const ended = new AbortController();
  const run = (async () => {
    while (!ended.signal.aborted) {
      await work();
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

/** Reads pages of lists, builds and logs without a login, so many a second whether or not they are answered. */
class Crawler {
  private readonly agent = new http.Agent({ keepAlive: true, maxSockets: 64 });
  private readonly pending = new Set<Promise<unknown>>();
  private readonly timer: NodeJS.Timeout;
  private count = 0;

  constructor(
    private readonly url: string,
    private readonly builds: number,
  ) {
    this.timer = setInterval(() => this.next(), 1000 / CRAWLER_PER_SECOND);
  }

  /** Returns how many requests were answered. */
  async stop(): Promise<number> {
    clearInterval(this.timer);
    await Promise.all(this.pending);
    this.agent.destroy();
    return this.count;
  }

  private next(): void {
    const id = 1 + Math.floor(Math.random() * this.builds);
    const paths = [
      `/api/v2/builds?limit=100&order=-buildid&offset=${id % 5000}`,
      `/api/v2/builds/${id}/steps`,
      `/api/v2/logs/${id}/raw`,
      `/api/v2/builds?limit=100&state_string__contains=nothing`,
      `/api/v2/changes?limit=100&offset=${id % 5000}`,
    ];
    const answered: Promise<unknown> = new Promise<void>((resolve) => {
      http
        .get(this.url + paths[this.count % paths.length]!, { agent: this.agent }, (response) => {
          response.resume().on('close', resolve);
        })
        .on('error', () => resolve());
    }).then(() => this.pending.delete(answered));
    this.count++;
    this.pending.add(answered);
  }
}

/** Live streams without a login. */
class Streams {
  events = 0;
  private readonly sockets: WebSocket[] = [];
  private readonly answers: http.ClientRequest[] = [];
  private opened = 0;

  constructor(private readonly url: string) {}

  get count(): number {
    return this.sockets.length + this.answers.length;
  }

  async open(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      if (i % 2 === 0) this.webSocket();
      else this.sse();
      if (i % 50 === 49) await delay(50);
    }
    await eventually(() => this.opened === count, { timeoutMs: 120_000, what: `${count} open streams` });
  }

  close(): void {
    for (const socket of this.sockets) socket.terminate();
    for (const answer of this.answers) answer.destroy();
  }

  private webSocket(): void {
    const socket = new WebSocket(`${this.url.replace('http', 'ws')}/ws`);
    this.sockets.push(socket);
    socket.on('open', () => socket.send(JSON.stringify({ _id: 1, cmd: 'startConsuming', path: 'buildrequests/*/*' })));
    socket.once('message', () => {
      this.opened++;
      socket.on('message', () => this.events++);
    });
    socket.on('error', () => socket.terminate());
  }

  private sse(): void {
    const answer = http.get(`${this.url}/sse/listen/buildrequests/*/*`, { agent: false }, (response) => {
      response.once('data', () => {
        this.opened++;
        response.on('data', (data: Buffer) => (this.events += data.toString().split('event: event').length - 1));
      });
    });
    answer.on('error', () => answer.destroy());
    this.answers.push(answer);
  }
}
