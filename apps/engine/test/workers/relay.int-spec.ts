import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { eventually, FakeWorker, freePort, provisionStockWorker, StockWorker } from '@millrace/testing';
import {
  basicAuthorization,
  type RelayChannel,
  type RelayClosing,
  RelayLink,
  type RelayOpening,
} from '@millrace/worker-protocol';
import { WebSocket } from 'ws';
import { Listening } from './listening.js';

const NODE_WORKER = join(import.meta.dirname, '../../../worker/dist/main.js');

/** A relay and its workers as processes, in front of two engines' listeners. */
describe('workers behind a relay', () => {
  let one: Listening;
  let other: Listening;
  let port: number;
  const stops: (() => Promise<unknown>)[] = [];

  const start = (name: string, args: readonly string[]): void => {
    const env = { PATH: process.env['PATH'], MILLRACE_WORKER_TOKEN: `password-of-${name}` };
    const child: ChildProcess = spawn(process.execPath, [NODE_WORKER, ...args, '--name', name], {
      env,
      stdio: 'ignore',
    });
    stops.push(async () => {
      const exited = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await exited;
    });
  };
  const startWorker = (name: string): void =>
    start(name, ['--master', `ws://127.0.0.1:${port}`, '--basedir', join(other.folder, name)]);
  const attached = ({ attached: names }: Listening): string => names.join(' ');

  beforeAll(async () => {
    [one, other] = [await Listening.start(), await Listening.start()];
    port = await freePort();
    start('w9', ['relay', '--master', `${one.url},${other.url}`, '--listen', `127.0.0.1:${port}`]);
    const isConnected = (): boolean => one.log.some(({ message }) => message === 'relay connected');
    await eventually(isConnected, { what: 'the relay', timeoutMs: 20_000 });
  });
  afterAll(async () => {
    await Promise.all(stops.map((stop) => stop()));
    await other.stop();
  });

  it('attach over one connection, and are refused by name', async () => {
    startWorker('w0');
    startWorker('w1');
    await eventually(() => attached(one) === 'w0 w1', { what: 'both attached', timeoutMs: 20_000 });
    expect(one.connections.size).toBe(3);
    expect(one.connections.count('msgpack')).toBe(3);
    const stranger = FakeWorker.connect({ url: `ws://127.0.0.1:${port}`, name: 'w2', password: 'wrong' });
    await expect(stranger).rejects.toThrow('401');
    expect(one.refusals.latest[0]).toMatchObject({ reason: 'wrong-credentials', name: 'w2', address: '127.0.0.1' });
    const duplicate = await FakeWorker.connect({
      url: `ws://127.0.0.1:${port}`,
      name: 'w1',
      password: 'password-of-w1',
    });
    expect(await duplicate.closed).toBe('code 4409');
    const [w0] = [...one.sessions.attached.values()].filter(({ name }) => name === 'w0');
    w0!.disconnect('to see it come back');
    await eventually(() => one.sessions.attaches === 3, { what: 'w0 is back', timeoutMs: 20_000 });
    expect(attached(one)).toBe('w0 w1');
  });

  (provisionStockWorker() ? it : it.skip)('attach over PB', async () => {
    const basedir = join(other.folder, 'w3');
    const worker = StockWorker.start({ port, name: 'w3', password: 'password-of-w3', basedir, protocol: 'pb' });
    stops.push(() => worker.stop());
    await eventually(() => attached(one) === 'w0 w1 w3', { what: 'attached over PB', timeoutMs: 40_000 });
    const w3 = [...one.sessions.attached.values()].find(({ name }) => name === 'w3')!;
    await w3.connection.ping();
  });

  it('go to the next engine with it', async () => {
    await one.stop();
    await eventually(() => attached(other).startsWith('w0 w1'), { what: 'moved', timeoutMs: 20_000 });
    for (const { connection } of other.sessions.attached.values()) await connection.ping();
  });

  it('leave a draining engine together with their relay, when none of them builds there any more', async () => {
    const next = await Listening.start(() => ({ MILLRACE_WORKER_PORT: String(one.settings.workerPort) }));
    stops.push(() => next.stop());
    const w0 = [...other.sessions.attached.values()].find(({ name }) => name === 'w0')!;
    w0.claimWon({ requestId: 1, buildId: 1, builderId: 1 });
    other.listener.refuseNew();
    other.listener.letGo();
    await eventually(() => attached(other) === 'w0', { what: 'only the one that builds', timeoutMs: 20_000 });
    expect(attached(next)).toBe('');
    w0.release(1);
    other.listener.letGo();
    await eventually(() => attached(next).startsWith('w0 w1'), { what: 'all of them moved', timeoutMs: 40_000 });
    expect(attached(other)).toBe('');
  });
});

/** A relay that misbehaves. */
describe('a relay', () => {
  let listening: Listening;
  let socket: WebSocket;
  let link: RelayLink;
  beforeEach(async () => {
    // The relay and two workers.
    listening = await Listening.start(() => ({ MILLRACE_WORKER_MAX: '3' }));
    const authorization = basicAuthorization({ name: 'w9', password: 'password-of-w9' });
    socket = new WebSocket(`${listening.url}/relay`, { headers: { authorization } });
    link = new RelayLink({
      send: (frame) => socket.send(frame),
      close: () => socket.terminate(),
      bufferedBytes: () => socket.bufferedAmount,
    });
    socket.on('message', (message: Buffer) => link.receive(message));
    await once(socket, 'open');
  });
  afterEach(async () => {
    socket.terminate();
    await listening.stop();
  });

  const open = (
    opening: Partial<RelayOpening> = {},
  ): { channel: RelayChannel; came: Promise<'accepted' | RelayClosing> } => {
    const channel = link.open({ protocol: 'pb', authorization: null, remoteAddress: '10.0.0.1', ...opening });
    const came = new Promise<'accepted' | RelayClosing>((resolve) => {
      channel.onAccepted = () => resolve('accepted');
      channel.onClosed = resolve;
    });
    return { channel, came };
  };

  it('brings no more workers than there is room for', async () => {
    const { connections, refusals: failures } = listening;
    const login = (name: string) =>
      open({
        protocol: 'msgpack',
        authorization: basicAuthorization({ name, password: `password-of-${name}` }),
      });
    const [first, second] = [login('w0'), login('w1')];
    expect([await first.came, await second.came]).toEqual(['accepted', 'accepted']);
    expect(await login('w2').came).toMatchObject({ status: 503, isLinkLost: false });
    expect(failures.total('full')).toBe(1);
    expect(await listening.metric('millrace_worker_connections{protocol="msgpack"}')).toBe(3);
    first.channel.close('it went');
    await eventually(() => connections.size === 2, { what: 'room for another' });
    expect(await login('w2').came).toBe('accepted');
    socket.terminate();
    await eventually(() => connections.size === 0, { what: 'all of them gone with the relay' });
  });

  it('cannot keep others out by channels on which nobody logs in', async () => {
    const { refusals: failures, connections } = listening;
    const silent = Array.from({ length: 200 }, () => open());
    await eventually(() => failures.total('displaced') >= 200 - 64, { what: 'the displaced' });
    expect(connections.size).toBeLessThanOrEqual(65);
    const worker = await FakeWorker.connect({ url: listening.url, name: 'w0', password: 'password-of-w0' });
    await eventually(() => listening.attached.includes('w0'), { what: 'attached' });
    expect(await silent[0]!.came).toBe('accepted');
    await worker.terminate();
  });

  it('is cut off, and nobody else, when its opening of a channel is too long', async () => {
    const worker = await FakeWorker.connect({ url: listening.url, name: 'w0', password: 'password-of-w0' });
    await eventually(() => listening.attached.includes('w0'), { what: 'attached' });
    const ended = once(socket, 'close');
    void open({ remoteAddress: 'x'.repeat(15 << 20) }).came;
    await ended;
    expect(listening.attached).toEqual(['w0']);
    expect(JSON.stringify(listening.log).length).toBeLessThan(20_000);
    await worker.terminate();
  });

  it('cannot keep a channel on which nobody logs in', async () => {
    jest.useFakeTimers({
      doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate', 'clearImmediate', 'setInterval', 'clearInterval'],
    });
    try {
      const { channel, came } = open();
      expect(await came).toBe('accepted');
      const ended = new Promise<RelayClosing>((resolve) => (channel.onClosed = resolve));
      jest.advanceTimersByTime(90_000);
      expect(await ended).toMatchObject({ isLinkLost: false });
      expect(listening.connections.size).toBe(1);
    } finally {
      jest.useRealTimers();
    }
  });

  it('cannot guess passwords by claiming that each guess comes from elsewhere', async () => {
    const guess = (i: number): Promise<'accepted' | RelayClosing> =>
      open({
        protocol: 'msgpack',
        authorization: basicAuthorization({ name: 'w0', password: `guess ${i}` }),
        remoteAddress: `10.0.0.${i}`,
      }).came;
    for (let i = 0; i < 5; i++) expect(await guess(i)).toMatchObject({ status: 401 });
    const startedAt = performance.now();
    expect(await guess(5)).toMatchObject({ status: 401 });
    expect(performance.now() - startedAt).toBeGreaterThan(900);
    expect(listening.refusals.latest[0]).toMatchObject({ name: 'w0', address: '10.0.0.5' });
  });
});
