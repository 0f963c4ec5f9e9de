import http from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '@millrace/testing';
import { WebSocket } from 'ws';

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
  | { readonly kind: 'open' }
  /** `crawled`: requests that were answered. `events`: heard by all streams together. */
  | { readonly kind: 'done'; readonly crawled: number; readonly events: number };

const setup = JSON.parse(process.argv[2]!) as CrowdSetup;
let events = 0;
let opened = 0;
let crawled = 0;
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
await eventually(() => opened === setup.streams, { timeoutMs: 120_000, what: `${setup.streams} open streams` });
report({ kind: 'open' });

function report(what: CrowdReport): void {
  process.send!(what);
}

async function stop(): Promise<void> {
  clearInterval(crawling);
  await Promise.all(pending);
  report({ kind: 'done', crawled, events });
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
  const answered: Promise<unknown> = new Promise<void>((resolve) => {
    http
      .get(setup.url + path, { agent }, (response) => void response.resume().on('close', resolve))
      .on('error', () => resolve());
  }).then(() => pending.delete(answered));
  pending.add(answered);
}

function openWebSocket(): void {
  const socket = new WebSocket(`${setup.url.replace('http', 'ws')}/ws`);
  socket.on('open', () => socket.send(JSON.stringify({ _id: 1, cmd: 'startConsuming', path: 'buildrequests/*/*' })));
  socket.once('message', () => {
    opened++;
    socket.on('message', () => events++);
  });
  socket.on('error', () => socket.terminate());
}

function openSse(): void {
  const answer = http.get(`${setup.url}/sse/listen/buildrequests/*/*`, { agent: false }, (response) => {
    response.once('data', () => {
      opened++;
      response.on('data', (data: Buffer) => (events += data.toString().split('event: event').length - 1));
    });
  });
  answer.on('error', () => answer.destroy());
}
