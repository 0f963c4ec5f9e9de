import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { messageOf, OperationalError } from '@millrace/domain';
import { eventually, FakeWorker } from '@millrace/testing';
import { basicAuthorization } from '@millrace/worker-protocol';
import {
  Dice,
  type FuzzedCase,
  fuzzMsgpack,
  fuzzPb,
  fuzzRelay,
  msgpackFrames,
  pbChunks,
  relayFrames,
} from '@millrace/worker-protocol/fuzzing';
import { WebSocket } from 'ws';
import type { Figure } from '../figures.js';
import { memoryBytes } from '../processes.js';
import { Engine } from '../systems/engine.js';
import { startStack } from '../systems/millrace.js';

/** Number of well-behaved workers that must not notice anything. */
const BYSTANDERS = 20;
const GARBAGE_CONNECTIONS = 10_000;
const AT_ONCE = 50;
const MIB = 2 ** 20;

interface Fuzzed {
  readonly perSecond: number;
  readonly messages: number;
  readonly closed: number;
  /** Growth of the heap, after a collection, from a tenth of the way to the end. */
  readonly growthBytes: number;
}

/** Confronts sessions of both protocols and a relay's link with `cases` broken peers, then a real engine with broken connections. */
export async function fuzz(cases: number): Promise<{ figures: Figure[]; notes: string[] }> {
  const rejections: unknown[] = [];
  const onRejection = (reason: unknown): void => void rejections.push(reason);
  process.on('unhandledRejection', onRejection);
  // Nearly every case ends in an error. Capturing stacks would take most of the time.
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    const msgpack = await fuzzed(cases, fuzzMsgpack);
    const pb = await fuzzed(cases, fuzzPb);
    const relay = await fuzzed(cases, fuzzRelay);
    if (rejections.length > 0) throw new OperationalError('fuzz', `${rejections.length} promises were left rejected`);
    const engine = await attackedEngine();
    const figure = (name: string, unit: string, better: Figure['better'], value: number): Figure => ({
      name,
      unit,
      better,
      value,
    });
    return {
      figures: [
        figure('fuzz: msgpack sessions', '/s', 'more', msgpack.perSecond),
        figure('fuzz: msgpack heap growth', 'MB', 'less', msgpack.growthBytes / MIB),
        figure('fuzz: PB sessions', '/s', 'more', pb.perSecond),
        figure('fuzz: PB heap growth', 'MB', 'less', pb.growthBytes / MIB),
        figure('fuzz: relay sessions', '/s', 'more', relay.perSecond),
        figure('fuzz: relay heap growth', 'MB', 'less', relay.growthBytes / MIB),
        figure('fuzz: malformed connections to an engine', '/s', 'more', engine.perSecond),
        figure('fuzz: memory growth of that engine', 'MB', 'less', engine.growthBytes / MIB),
      ],
      notes: [
        `fuzz: ${cases} cases each, none threw; messages: ${msgpack.messages} msgpack, ${pb.messages} PB, ${relay.messages} of relays; ` +
          `${msgpack.closed}, ${pb.closed} and ${relay.closed} sessions were closed with a reason`,
        `fuzz: ${GARBAGE_CONNECTIONS} malformed connections; ${BYSTANDERS} workers beside them stayed; ` +
          `${engine.closed} were counted as refused or closed in the log (${engine.lines} lines)`,
      ],
    };
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
    process.off('unhandledRejection', onRejection);
  }
}

/**
 * Runs cases of one kind.
 * @throws OperationalError with the number of the failed case, which is its seed
 */
async function fuzzed(cases: number, fuzzOne: (dice: Dice) => Promise<FuzzedCase>): Promise<Fuzzed> {
  const startedAt = performance.now();
  let closed = 0;
  let messages = 0;
  let settled = 0;
  for (let seed = 0; seed < cases; seed++) {
    try {
      const one = await fuzzOne(new Dice(seed));
      messages += one.messages;
      if (one.isClosed) closed++;
    } catch (cause) {
      throw new OperationalError('fuzz', `case ${seed} of ${fuzzOne.name}: ${messageOf(cause)}`, { seed }, { cause });
    }
    if (settled === 0 && seed >= cases / 10) settled = usedHeap();
  }
  const perSecond = (cases / (performance.now() - startedAt)) * 1000;
  return { perSecond, messages, closed, growthBytes: usedHeap() - settled };
}

function usedHeap(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}

/**
 * Runs an engine and sends it broken connections.
 * @throws OperationalError when a connection stays open, a well-behaved worker is lost, or the engine ends
 */
async function attackedEngine(): Promise<Omit<Fuzzed, 'messages'> & { lines: number }> {
  const stack = await startStack('sqlite');
  const token = randomBytes(32).toString('hex');
  const engine = await Engine.create({
    stack,
    config: 'workers.config.ts',
    env: { BENCH_WORKERS: '200', BENCH_TOKEN: token },
  });
  const bystanders: FakeWorker[] = [];
  try {
    await engine.start();
    const url = `ws://127.0.0.1:${engine.workerPort}`;
    for (let i = 0; i < BYSTANDERS; i++) {
      bystanders.push(await FakeWorker.connect({ url, name: `w${i}`, password: `${token}-w${i}` }));
    }
    await engine.attached(BYSTANDERS);
    await knock(engine, url, token, GARBAGE_CONNECTIONS / 10);
    const before = memoryBytes(engine.pid);
    const startedAt = performance.now();
    await knock(engine, url, token, (GARBAGE_CONNECTIONS * 9) / 10);
    const perSecond = ((GARBAGE_CONNECTIONS * 0.9) / (performance.now() - startedAt)) * 1000;
    await eventually(async () => (await engine.metric('millrace_worker_connections')) === BYSTANDERS, {
      timeoutMs: 120_000,
      what: 'every malformed connection closed',
    });
    await engine.attached(BYSTANDERS);
    const lost = (await Promise.all(bystanders.map((worker) => worker.keepaliveMs()))).filter((ms) => !(ms < 10_000));
    if (lost.length > 0 || !engine.isRunning) throw new OperationalError('fuzz', 'the engine or a bystander is gone');
    const ended = engine.log.filter((line) => line.includes('session closed')).length;
    return {
      perSecond,
      closed: (await engine.metric('millrace_worker_refused_total')) + ended,
      growthBytes: memoryBytes(engine.pid) - before,
      lines: engine.log.length,
    };
  } finally {
    await Promise.all(bystanders.map((worker) => worker.terminate()));
    await engine.kill();
    await stack.stop();
  }
}

/** Opens malformed connections of all kinds, several at a time. Resolves when the engine has closed each of them. */
async function knock(engine: Engine, url: string, token: string, count: number): Promise<void> {
  let left = count;
  const one = async (slot: number): Promise<void> => {
    while (left-- > 0) {
      const i = left;
      const kind = i % 5;
      if (kind === 0) await raw(engine.workerPort, [randomBytes(1 + (i % 300))]);
      else if (kind === 1) await raw(engine.workerPort, ['GET / HTTP/1.1\r\n', randomBytes(1 + (i % 50)), '\r\n\r\n']);
      else if (kind === 2) await greeted(engine.workerPort, pbChunks(new Dice(i)));
      else if (kind === 3) await loggedIn(url, `w${BYSTANDERS + slot}`, token, msgpackFrames(new Dice(i)));
      else await loggedIn(`${url}/relay`, `w${BYSTANDERS + slot}`, token, relayFrames(new Dice(i)));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, (_, slot) => one(slot)));
}

/** Connects, sends the given data, and waits for the end of the connection. */
function raw(port: number, words: readonly (string | Uint8Array)[]): Promise<void> {
  return ended(connect(port, '127.0.0.1'), (socket) => {
    for (const word of words) socket.write(word);
    socket.end();
  });
}

/** Does the same as a PB worker: waits for the greeting first. */
function greeted(port: number, chunks: readonly Uint8Array[]): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  socket.once('data', () => {
    for (const chunk of chunks) socket.write(chunk);
    socket.end();
  });
  return ended(socket, () => undefined);
}

function ended(socket: Socket, onConnect: (socket: Socket) => void): Promise<void> {
  return new Promise((resolve) => {
    socket.on('connect', () => onConnect(socket));
    socket.on('error', () => undefined);
    socket.on('close', () => resolve());
    socket.resume();
  });
}

/** Logs a worker in with the right password and then sends broken frames. */
function loggedIn(url: string, name: string, token: string, frames: readonly Uint8Array[]): Promise<void> {
  const socket = new WebSocket(url, {
    perMessageDeflate: false,
    headers: { Authorization: basicAuthorization({ name, password: `${token}-${name}` }) },
  });
  return new Promise((resolve) => {
    socket.on('open', () => {
      for (const frame of frames) socket.send(frame);
      // In case all the frames happened to be valid.
      socket.send(Buffer.from([0xc1]));
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve());
  });
}
