import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually, FakeWorker, freePort, provisionStockWorker, StockWorker } from '@millrace/testing';
import { Listening } from './listening.js';

const NODE_WORKER = join(import.meta.dirname, '../../../worker/dist/main.js');

/** A relay and its workers as processes, before two engines' listeners. */
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
    expect(one.listener.connections.size).toBe(1);
    const stranger = FakeWorker.connect({ url: `ws://127.0.0.1:${port}`, name: 'w2', password: 'wrong' });
    await expect(stranger).rejects.toThrow('401');
    expect(one.listener.refusals[0]).toMatchObject({ reason: 'wrong-credentials', name: 'w2', address: '127.0.0.1' });
    const [w0] = [...one.listener.attached.values()].filter(({ name }) => name === 'w0');
    w0!.disconnect('to see it come back');
    await eventually(() => one.listener.sessions.attaches === 3, { what: 'w0 is back', timeoutMs: 20_000 });
    expect(attached(one)).toBe('w0 w1');
  });

  (provisionStockWorker() ? it : it.skip)('attach over PB', async () => {
    const basedir = join(other.folder, 'w3');
    const worker = StockWorker.start({ port, name: 'w3', password: 'password-of-w3', basedir, protocol: 'pb' });
    stops.push(() => worker.stop());
    await eventually(() => attached(one) === 'w0 w1 w3', { what: 'attached over PB', timeoutMs: 40_000 });
    const w3 = [...one.listener.attached.values()].find(({ name }) => name === 'w3')!;
    await w3.connection.ping();
  });

  it('go with it to the next engine', async () => {
    await one.stop();
    await eventually(() => attached(other).startsWith('w0 w1'), { what: 'moved', timeoutMs: 20_000 });
    for (const { connection } of other.listener.attached.values()) await connection.ping();
  });
});
