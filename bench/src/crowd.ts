import http from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '@millrace/testing';
import { WebSocket } from 'ws';
import { ANSWER_WITHIN_MS } from './stats.js';

/** The only argument of this program, as JSON. */
export interface CrowdSetup {
  /** Where the UI is. */
  readonly url: string;
  /** Builds of the history that is crawled. */
  readonly builds: number;
  /** Half of them over WebSocket, half over SSE. */
  readonly streams: number;
  readonly crawlsPerSecond: number;
}

export type CrowdRequest = 'crawl' | 'stop';

export type CrowdReport =
  /** As many streams as could be opened are. */
  | { readonly kind: 'open' }
  /** `crawled`: requests, and those of them that were answered. `events`: heard by all streams together. `open`: streams that were left. */
  | {
      readonly kind: 'done';
      readonly crawled: number;
      readonly answered: number;
      readonly events: number;
      readonly open: number;
    };

const OPEN_WITHIN_MS = 120_000;

const setup = JSON.parse(process.argv[2]!) as CrowdSetup;
let events = 0;
let open = 0;
let crawled = 0;
let answered = 0;
const pending = new Set<Promise<unknown>>();
const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });
let crawling: NodeJS.Timeout | undefined;

process.on('disconnect', () => process.exit(0));
process.on('message', (request: CrowdRequest) => {
  if (request === 'crawl') crawling = setInterval(crawl, 1000 / setup.crawlsPerSecond);
  else void stop();
});
for (let i = 0; i < setup.streams; i++) {
  if (i % 2 === 0) openWebSocket();
  else openSse();
  if (i % 50 === 49) await delay(50);
}
await eventually(() => open === setup.streams, { timeoutMs: OPEN_WITHIN_MS }).catch(() => undefined);
report({ kind: 'open' });

function report(what: CrowdReport): void {
  process.send!(what);
}

async function stop(): Promise<void> {
  clearInterval(crawling);
  await Promise.all(pending);
  report({ kind: 'done', crawled, answered, events, open });
}

/** Reads a page of a list, a build or a log without a login, whether or not the one before was answered. */
function crawl(): void {
  const id = 1 + Math.floor(Math.random() * setup.builds);
  const paths = [
    `/api/v2/builds?limit=100&order=-buildid&offset=${id % 5000}`,
    `/api/v2/builds/${id}/steps`,
    `/api/v2/logs/${id}/raw`,
    `/api/v2/builds?limit=100&state_string__contains=nothing`,
    `/api/v2/changes?limit=100&offset=${id % 5000}`,
  ];
  const path = paths[crawled++ % paths.length]!;
  const ended: Promise<unknown> = new Promise<void>((resolve) => {
    http
      .get(setup.url + path, { agent, signal: AbortSignal.timeout(ANSWER_WITHIN_MS) }, (response) => {
        response.on('end', () => answered++).on('error', () => resolve());
        response.resume().on('close', resolve);
      })
      .on('error', () => resolve());
  }).then(() => pending.delete(ended));
  pending.add(ended);
}

function openWebSocket(): void {
  const socket = new WebSocket(`${setup.url.replace('http', 'ws')}/ws`);
  socket.on('open', () => socket.send(JSON.stringify({ _id: 1, cmd: 'startConsuming', path: 'buildrequests/*/*' })));
  socket.once('message', () => {
    open++;
    socket.on('message', () => events++);
    socket.on('close', () => open--);
  });
  socket.on('error', () => socket.terminate());
}

function openSse(): void {
  const answer = http.get(`${setup.url}/sse/listen/buildrequests/*/*`, { agent: false }, (response) => {
    response.once('data', () => {
      open++;
      response.on('data', (data: Buffer) => (events += data.toString().split('event: event').length - 1));
      response.on('close', () => open--);
    });
    response.on('error', () => answer.destroy());
  });
  answer.on('error', () => answer.destroy());
}
