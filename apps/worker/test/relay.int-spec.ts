import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { FakeWorker, provisionStockWorker, slamDoor, StockWorker } from '@millrace/testing';
import { mkdtempSync, rmSync } from 'node:fs';
import { once } from 'node:events';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Record, sequence } from './record.js';
import { type Attached, TestMaster } from './test-master.js';
import { until, WorkerProcess } from './worker-process.js';

jest.setTimeout(120_000);

let folder: string;
let one: TestMaster;
let other: TestMaster;
let processes: { stop(): Promise<void> }[];
let relay: WorkerProcess;
let url: string;
let port: number;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-relay-'));
  one = await TestMaster.start();
  other = await TestMaster.start();
  relay = WorkerProcess.run(['relay', '--master', `${one.url},${other.url}`, '--name', 'r', '--listen', '127.0.0.1:0']);
  processes = [relay];
  await until('the relay has its engine', () => / connected /.test(relay.log));
  port = Number(/"port":(\d+)/.exec(relay.log)?.[1]);
  url = `ws://127.0.0.1:${port}`;
});

afterEach(async () => {
  await Promise.all(processes.map((process) => process.stop()));
  await Promise.all([one, other].map((master) => master.stop().catch(() => undefined)));
  rmSync(folder, { recursive: true, force: true });
});

function worker(name: string, at = url): WorkerProcess {
  const started = WorkerProcess.run(['--master', at, '--name', name, '--basedir', join(folder, name)]);
  processes.push(started);
  return started;
}

const connections = ({ log }: WorkerProcess): number => log.split(' connected ').length - 1;

describe('a relay', () => {
  it('carries many workers over one connection, and tells each whether its password is right', async () => {
    const names = ['a', 'b', 'c'];
    names.forEach((name) => worker(name));
    const attached = await Promise.all(names.map(() => one.worker()));
    expect(one.relayed.map(({ opening }) => opening.remoteAddress)).toEqual(['127.0.0.1', '127.0.0.1', '127.0.0.1']);
    const ran = await Promise.all(attached.map((each) => each.shell(each.session.info.basedir, 'seq 1 200000')));
    for (const { stdout } of ran) expect(stdout === sequence(200_000)).toBe(true);
    one.password = 'another';
    const stranger = worker('d');
    await until('it was refused', () => stranger.log.includes('the master refused our name or password'));
    one.password = 's3cret';
    await one.worker();
  });

  it('survives workers that are refused and reset the connection', async () => {
    const authorization = `Basic ${Buffer.from('a:wrong').toString('base64')}`;
    for (let i = 0; i < 20; i++) {
      expect(await slamDoor(url.replace('ws:', 'http:'), { authorization })).toMatch(/^HTTP\/1\.1 401 /);
    }
    worker('a');
    await one.worker();
    expect(connections(relay)).toBe(1);
  });

  it('closes connections that do not log in, and the channel of one whose handshake is wrong', async () => {
    const authorization = `Basic ${Buffer.from('a:s3cret').toString('base64')}`;
    const upgrade = `GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nAuthorization: ${authorization}\r\n`;
    const closed = ['', 'GET / HTTP/1.1\r\n', `${upgrade}\r\n`].map((said) => {
      const socket = connect(port, '127.0.0.1').resume();
      socket.write(said);
      return once(socket, 'close');
    });
    worker('a');
    const attached = await one.worker();
    await Promise.all(closed);
    await until('their channels are closed', () => one.relayed.filter(({ isOpen }) => isOpen).length === 1);
    // The worker's own channel, and that of the upgrade without a key.
    expect(one.relayed).toHaveLength(2);
    expect((await attached.shell(folder, 'echo on')).stdout).toBe('on\n');
    expect(connections(relay)).toBe(1);
  });

  it('lets no worker starve because another one is held back', async () => {
    const [loud, quiet] = [worker('loud'), worker('quiet')];
    const both = [await one.worker(), await one.worker()];
    const byName = (name: string): Attached => both.find(({ session }) => session.info.basedir.endsWith(name))!;
    let release: () => void = () => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    let taken = 0;
    const flood = byName('loud').shell(folder, 'seq 1 5000000', {}, { updates: () => (taken++, released) });
    await until('it is held back', () => byName('loud').session.unacknowledgedBytes > 1_000_000);
    const before = taken;
    expect(await byName('quiet').shell(folder, 'seq 1 100000')).toMatchObject({ rc: 0 });
    expect(taken - before).toBeLessThan(100);
    expect(relay.peakMemoryMiB()).toBeLessThan(200);
    release();
    expect(await flood).toMatchObject({ rc: 0 });
    expect([connections(loud), connections(quiet)]).toEqual([1, 1]);
  });

  it('moves its workers to the next engine without their noticing, and loses nothing of their commands', async () => {
    const workers = [worker('a'), worker('b')];
    const atOne = [await one.worker(), await one.worker()];
    const records = atOne.map(({ session }, index) => new Record(session.info.basedir, `c${index}`));
    const lost = records.map((record, index) =>
      record.start(atOne[index]!, 'seq 1 300000; sleep 1; seq 1 300000; exit 5'),
    );
    await until('both have begun', () => records.every(({ stored }) => stored > 2));
    await one.stop();
    expect(await Promise.all(lost)).toEqual(['worker-lost', 'worker-lost']);
    const atOther = [await other.worker(), await other.worker()];
    const ended = await Promise.all(
      atOther.map((attached) => {
        const id = attached.session.info.runningCommands[0];
        return records.find((record) => record.id === id)!.resume(attached);
      }),
    );
    expect(ended).toMatchObject([{ rc: 5 }, { rc: 5 }]);
    for (const record of records) {
      expect(record.problems).toEqual([]);
      expect(record.text === sequence(300_000).repeat(2)).toBe(true);
    }
    expect(workers.map(connections)).toEqual([1, 1]);
    expect((await atOther[0]!.shell(folder, 'echo on')).stdout).toBe('on\n');
  });

  it('answers a stock worker in place of a lost engine, and interrupts its commands', async () => {
    const heard: string[] = [];
    const stock = await FakeWorker.connect({
      url,
      name: 'stock',
      password: one.password,
      commands: {
        shell: async (_args, { acknowledged, stdout, untilInterrupted }) => {
          stdout('a\n');
          await acknowledged().catch((error: Error) => heard.push(error.message));
          heard.push(await untilInterrupted());
          return new Promise(() => undefined);
        },
      },
    });
    let isAsked = false;
    const attached = await one.worker();
    const running = attached.run('shell', {}, { updates: () => ((isAsked = true), new Promise(() => undefined)) });
    running.catch(() => undefined);
    await until('it waits for its acknowledgement', () => isAsked);
    await one.stop();
    const moved = await other.worker();
    await until('it goes on', () => heard.length === 2);
    expect(heard).toEqual(['update: the engine behind the relay is gone', 'the engine is gone']);
    expect(await moved.run('mkdir', {})).toMatchObject({ rc: 0 });
    await stock.disconnect();
  });

  it('refuses workers while it has no engine, and accepts them when it has one', async () => {
    const { port: otherPort } = other;
    await Promise.all([one.stop(), other.stop()]);
    const waiting = worker('a');
    await until('it was refused', () => waiting.log.includes('status=503'));
    other = await TestMaster.start(otherPort);
    await expect((await other.worker()).session.ping()).resolves.toBeUndefined();
  });

  (provisionStockWorker() ? it : it.skip)('carries buildbot-worker 4.3.0, over PB and over msgpack', async () => {
    for (const protocol of ['pb', 'msgpack_experimental_v7'] as const) {
      const basedir = join(folder, protocol);
      const kind = protocol === 'pb' ? 'pb' : 'msgpack';
      processes.push(StockWorker.start({ port, name: kind, password: one.password, basedir, protocol: kind }));
      const attached = await one.worker();
      const { stdout } = await attached.run('shell', {
        workdir: basedir,
        command: 'seq 1 20000',
        env: {},
        want_stdout: true,
        want_stderr: true,
        logfiles: {},
        timeout: null,
        maxTime: null,
        max_lines: null,
        sigtermTime: null,
        interruptSignal: 'KILL',
        usePTY: false,
        logEnviron: false,
        initial_stdin: null,
      });
      expect(stdout === sequence(20_000)).toBe(true);
    }
  });
});
