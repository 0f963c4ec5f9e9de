import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { OperationalError } from '@millrace/domain';
import { type Service, startCrossbar, startEmbeddedRouter } from '@millrace/testing';
import { WebSocket } from 'ws';
import type { Figure } from '../figures.js';
import { treeMemoryBytes } from '../processes.js';
import { latencies } from '../stats.js';
import type { StackName } from '../systems/millrace.js';

const TOPIC = 'org.millrace.bench';
const PAYLOAD = 'x'.repeat(1000);
/** Most unacknowledged events. Publishing is acknowledged, as Millrace's own bus does it. */
const WINDOW = 32;
const QUIET_EVENTS = 5000;

/** The WAMP message codes that are needed here. */
const [HELLO, WELCOME, PUBLISH, PUBLISHED, SUBSCRIBE, SUBSCRIBED, EVENT] = [1, 2, 16, 17, 32, 33, 36] as const;

class WampClient {
  onEvent: (sentAt: number) => void = () => undefined;
  private lastId = 0;
  private readonly waiting = new Map<number, () => void>();

  private constructor(readonly socket: WebSocket) {
    socket.on('message', (data: Buffer) => this.receive(JSON.parse(data.toString()) as unknown[]));
  }

  static async connect(url: string): Promise<WampClient> {
    const socket = new WebSocket(url, 'wamp.2.json', { perMessageDeflate: false });
    await once(socket, 'open');
    const client = new WampClient(socket);
    const welcome = new Promise<void>((resolve) => client.waiting.set(0, resolve));
    socket.send(JSON.stringify([HELLO, 'realm1', { roles: { publisher: {}, subscriber: {} } }]));
    await welcome;
    return client;
  }

  subscribe(): Promise<void> {
    return this.request(SUBSCRIBE, {}, TOPIC);
  }

  /** Publishes an event. Resolves when the router has taken it. */
  publish(): Promise<void> {
    return this.request(PUBLISH, { acknowledge: true }, TOPIC, [], { sentAt: performance.now(), PAYLOAD });
  }

  private request(type: number, ...rest: unknown[]): Promise<void> {
    const id = ++this.lastId;
    const answered = new Promise<void>((resolve) => this.waiting.set(id, resolve));
    this.socket.send(JSON.stringify([type, id, ...rest]));
    return answered;
  }

  private receive(message: unknown[]): void {
    switch (message[0]) {
      case EVENT:
        return this.onEvent((message[5] as { sentAt: number }).sentAt);
      case WELCOME:
        return this.waiting.get(0)?.();
      case PUBLISHED:
      case SUBSCRIBED: {
        const id = message[1] as number;
        this.waiting.get(id)?.();
        this.waiting.delete(id);
        return;
      }
      default:
        throw new OperationalError('wamp', `unexpected: ${JSON.stringify(message).slice(0, 200)}`);
    }
  }
}

/** Measures two subscribers that read, then adds a third that stops reading, while `events` of 1 kB are published. */
export async function slowSubscriber(
  stack: StackName,
  events: number,
): Promise<{ figures: Figure[]; notes: string[] }> {
  const router = stack === 'sqlite' ? await startEmbeddedRouter() : await startCrossbar();
  try {
    return await measure(router, events);
  } finally {
    await router.stop();
  }
}

async function measure(router: Service, events: number): Promise<{ figures: Figure[]; notes: string[] }> {
  const publisher = await WampClient.connect(router.url);
  const readers = await Promise.all([WampClient.connect(router.url), WampClient.connect(router.url)]);
  for (const reader of readers) await reader.subscribe();
  const quiet = await publish(publisher, readers, QUIET_EVENTS);

  const stalled = await WampClient.connect(router.url);
  await stalled.subscribe();
  stalled.socket.pause();
  const before = treeMemoryBytes(router.pid);
  let most = before;
  const watch = setInterval(() => (most = Math.max(most, treeMemoryBytes(router.pid))), 250);
  const loud = await publish(publisher, readers, events);
  clearInterval(watch);

  const closed = once(stalled.socket, 'close').then(() => true);
  stalled.socket.on('error', () => undefined);
  stalled.socket.resume();
  const wasCutOff = await Promise.race([closed, delay(10_000, false)]);
  for (const client of [publisher, stalled, ...readers]) client.socket.terminate();
  const figure = (name: string, unit: string, value: number): Figure => ({ name, unit, better: 'less', value });
  return {
    figures: [
      { name: 'router: events of 1 kB published', unit: '/s', better: 'more', value: quiet.perSecond },
      figure('router: event p99, all read', 'ms', quiet.p99Ms),
      figure('router: event p99, one stopped reading', 'ms', loud.p99Ms),
      figure('router: memory growth, one stopped reading', 'MB', (most - before) / 2 ** 20),
    ],
    notes: [`router: ${events} events; the subscriber that stopped reading was ${wasCutOff ? '' : 'NOT '}cut off`],
  };
}

async function publish(
  publisher: WampClient,
  readers: readonly WampClient[],
  events: number,
): Promise<{ p99Ms: number; perSecond: number }> {
  const samples: number[] = [];
  let received = 0;
  for (const reader of readers) {
    reader.onEvent = (sentAt) => {
      // One in ten: a million samples would be a load of their own.
      if (received++ % 10 === 0) samples.push(performance.now() - sentAt);
    };
  }
  const startedAt = performance.now();
  let left = events;
  const send = async (): Promise<void> => {
    while (left-- > 0) await publisher.publish();
  };
  await Promise.all(Array.from({ length: WINDOW }, send));
  const perSecond = (events / (performance.now() - startedAt)) * 1000;
  while (received < events * readers.length) await delay(10);
  return { p99Ms: latencies(samples).p99Ms, perSecond };
}
