import { Agent, request } from 'node:http';
import { OperationalError } from '@millrace/domain';
import { Dice } from '@millrace/worker-protocol/fuzzing';
import { WebSocket } from 'ws';
import { fuzzedText } from './fuzzed-text.js';
import { EVENT_FRAMES, RPC_CALLS, WAMP_MESSAGES } from './seeds.js';

export interface FuzzRange {
  /** Number of the first case. A case's number is its seed. */
  readonly from: number;
  readonly to: number;
}

export interface Fuzzed {
  /** Number of connections that the listener ended. */
  readonly closed: number;
  /** Number of requests by status. */
  readonly statuses: ReadonlyMap<number, number>;
}

/** Concurrent connections, enough for both sides to be busy. */
const AT_ONCE = 16;
/** A listener that does not answer for this long counts as dead. */
const PATIENCE_MS = 30_000;

/** Sends broken frames to `/ws` of a UI, one after the other on each of several connections, and waits until each is handled. */
export function fuzzEvents(url: string, range: FuzzRange): Promise<Fuzzed> {
  return fuzzFrames(range, () => new WebSocket(url, { perMessageDeflate: false }), EVENT_FRAMES, null);
}

/** Sends broken messages to a router that lets anybody join, most of them from sessions that have joined. */
export function fuzzRouter(url: string, range: FuzzRange): Promise<Fuzzed> {
  const connect = (): WebSocket => new WebSocket(url, ['wamp.2.json'], { perMessageDeflate: false });
  return fuzzFrames(range, connect, WAMP_MESSAGES, JSON.stringify([1, 'realm1', { roles: {} }]));
}

/**
 * Sends broken JSON-RPC calls to the API of a UI.
 * @throws OperationalError naming the case that got no answer, or 500
 */
export async function fuzzCalls(url: string, range: FuzzRange): Promise<Fuzzed> {
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
  const statuses = new Map<number, number>();
  await inParallel(range, async (cases) => {
    for (const seed of cases) {
      const dice = new Dice(seed);
      const { path, call } = dice.pick(RPC_CALLS);
      const body = fuzzedText(dice, [call]);
      const status = await post(agent, `${url}/api/v2/${path}`, body);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      if (status === 0 || status >= 502 || status === 500)
        throw new OperationalError('fuzz', `case ${seed} got ${status}: ${body.slice(0, 200)}`, { seed });
    }
  });
  agent.destroy();
  return { closed: 0, statuses };
}

function post(agent: Agent, url: string, body: string): Promise<number> {
  return new Promise((resolve) => {
    const headers = { 'content-type': 'application/json' };
    const sent = request(url, { method: 'POST', agent, headers, timeout: PATIENCE_MS }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode ?? 0));
    });
    sent.on('timeout', () => sent.destroy());
    sent.on('error', () => resolve(0));
    sent.end(body);
  });
}

/**
 * Sends broken frames.
 * @throws OperationalError naming the case after which there was no answer
 */
async function fuzzFrames(
  range: FuzzRange,
  connect: () => WebSocket,
  seeds: readonly unknown[],
  greeting: string | null,
): Promise<Fuzzed> {
  let closed = 0;
  await inParallel(range, async (cases) => {
    let socket: WebSocket | null = null;
    for (const seed of cases) {
      const dice = new Dice(seed);
      if (socket === null) {
        socket = await opened(connect(), seed);
        // Some frames come from a client that has not joined.
        if (greeting !== null && dice.nat(9) > 0) socket.send(greeting);
      }
      const frame = fuzzedText(dice, seeds);
      socket.send(dice.nat(200) === 0 ? Buffer.from(frame) : frame);
      if (await answered(socket, seed)) continue;
      closed++;
      socket = null;
    }
    socket?.terminate();
  });
  return { closed, statuses: new Map() };
}

function opened(socket: WebSocket, seed: number): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    socket.on('error', () => undefined);
    socket.once('open', () => resolve(socket));
    socket.once('close', () => reject(new OperationalError('fuzz', `no connection for case ${seed}`, { seed })));
  });
}

/** Whether the connection is still open after everything sent so far has been handled: a ping is answered only then. */
function answered(socket: WebSocket, seed: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const settle = (outcome: () => void): void => {
      clearTimeout(timer);
      socket.off('pong', pong).off('close', close);
      outcome();
    };
    const pong = (): void => settle(() => resolve(true));
    const close = (): void => settle(() => resolve(false));
    const timer = setTimeout(
      () => settle(() => reject(new OperationalError('fuzz', `silence after case ${seed}`, { seed }))),
      PATIENCE_MS,
    );
    socket.on('pong', pong).on('close', close);
    if (socket.readyState === WebSocket.CLOSED) return close();
    if (socket.readyState === WebSocket.OPEN) socket.ping();
  });
}

async function inParallel({ from, to }: FuzzRange, work: (cases: Generator<number>) => Promise<void>): Promise<void> {
  let next = from;
  function* cases(): Generator<number> {
    while (next < to) yield next++;
  }
  await Promise.all(Array.from({ length: AT_ONCE }, () => work(cases())));
}
