import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Record, sequence } from './record.js';
import { TestMaster } from './test-master.js';
import { isAlive, until, WorkerProcess } from './worker-process.js';

jest.setTimeout(120_000);

/** Seeds of the test with cut connections; more of them with MILLRACE_TEST_SEEDS=100. */
const SEEDS = Array.from(
  { length: Number(process.env['MILLRACE_TEST_SEEDS'] ?? 6) },
  (_none, index) => 11 * (index + 1),
);

let master: TestMaster;
let basedir: string;
let build: string;
let spool: string;
let workers: WorkerProcess[];

beforeEach(async () => {
  basedir = mkdtempSync(join(tmpdir(), 'millrace-resume-'));
  build = join(basedir, 'b');
  spool = join(basedir, '.spool');
  master = await TestMaster.start();
  workers = [];
});

afterEach(async () => {
  await Promise.all(workers.map((worker) => worker.stop()));
  await master.stop();
  rmSync(basedir, { recursive: true, force: true });
});

function start(args: string[] = []): WorkerProcess {
  const worker = WorkerProcess.start(master.url, basedir, {}, args);
  workers.push(worker);
  return worker;
}

function spooledBytes(): number {
  if (!existsSync(spool)) return 0;
  // Files may be added and removed meanwhile.
  const size = (name: string): number => statSync(join(spool, name), { throwIfNoEntry: false })?.size ?? 0;
  return readdirSync(spool).reduce((sum, name) => sum + size(name), 0);
}

describe('a command whose connection is lost', () => {
  /** A small generator with a seed, so that a failure can be repeated. */
  function random(seed: number): () => number {
    let state = seed;
    return () => (state = (state * 48_271) % 0x7fff_ffff) / 0x7fff_ffff;
  }

  it.each(SEEDS)('arrives complete, once and in order, wherever it is cut (seed %i)', async (seed) => {
    const next = random(seed);
    const cuts = seed % 4;
    start();
    let attached = await master.worker();
    const acknowledge = (): Promise<void> | void =>
      next() < 0.5 ? undefined : new Promise((resolve) => setTimeout(resolve, next() * 10));
    let cutAfter = Infinity;
    const cutWhenDue = (): Promise<void> | void => {
      cutAfter -= 1;
      if (cutAfter === 0) attached.socket.terminate();
      return acknowledge();
    };
    const records = ['one', 'two'].map((id) => new Record(build, id, true, cutWhenDue));
    const chatty =
      'seq 1 60000; i=0; while [ $i -lt 60 ]; do i=$((i+1)); echo t$i; sleep 0.01; done; seq 1 60000; exit 7';
    const expected = `${sequence(60_000)}${sequence(60).replaceAll(/^/gm, 't').slice(0, -1)}${sequence(60_000)}`;
    if (cuts > 0) cutAfter = 1 + Math.floor(next() * 40);
    let ended = await Promise.all(records.map((record) => record.start(attached, chatty)));
    for (let cut = 1; ended.includes('worker-lost'); cut++) {
      attached = await master.worker();
      const held = records.filter((record) => record.outcomes.length === 0);
      const { runningCommands } = attached.session.info;
      expect(runningCommands).toEqual(expect.arrayContaining(held.map(({ id }) => id)));
      cutAfter = cut < cuts ? 1 + Math.floor(next() * 40) : Infinity;
      ended = await Promise.all(held.map((record) => record.resume(attached)));
    }
    // The connection was cut after the outcome was recorded and before it was acknowledged: an engine forgets a command whose outcome it
    // has.
    if (cutAfter <= 0) attached = await master.worker();
    await Promise.all(records.map(({ id }) => attached.session.forget(id)));
    for (const record of records) {
      expect(record.problems).toEqual([]);
      expect(record.text === expected).toBe(true);
      expect(record.outcomes).toMatchObject([{ rc: 7, failure: null, failureReason: null }]);
    }
    await until('nothing is spooled', () => spooledBytes() === 0);
  });

  it('sends nothing before it is resumed, and then everything, also an outcome that no master acknowledged', async () => {
    start();
    const first = await master.worker();
    const record = new Record(build, 'c1');
    let isAsked = false;
    const recorded = new Promise<void>((resolve) => {
      record.completed = () => {
        isAsked = true;
        resolve();
        return new Promise(() => undefined);
      };
    });
    void record.start(first, 'echo a; exit 3');
    await recorded;
    first.socket.terminate();
    const second = await master.worker();
    expect(second.session.info.runningCommands).toEqual(['c1']);
    await second.session.ping();
    // Refused by a master that lost its claim. The worker keeps the outcome.
    isAsked = false;
    record.completed = () => {
      isAsked = true;
      return Promise.reject(new Error('fenced'));
    };
    await expect(second.session.resumeCommand('c1', record)).rejects.toThrow('fenced');
    expect(isAsked).toBe(true);
    record.completed = () => Promise.resolve();
    expect(await record.resume(second)).toMatchObject({ rc: 3, failure: null });
    expect(record).toMatchObject({ text: 'a\n', problems: [] });
    await second.session.ping();
    expect(await record.resume(second)).toBe('command-unknown');
    second.socket.terminate();
    expect((await master.worker()).session.info.runningCommands).toEqual([]);
  });

  it('can be resumed on the connection on which it runs, and twice in a row', async () => {
    start();
    const attached = await master.worker();
    const record = new Record(build, 'c1', true, () => new Promise((resolve) => setTimeout(resolve, 2)));
    const first = record.start(attached, 'seq 1 200000; sleep 0.5; seq 1 200000');
    await until('it has begun', () => record.stored > 2);
    const second = record.resume(attached);
    await until('it goes on', () => record.stored > 5);
    const [third, fourth] = [record.resume(attached), record.resume(attached)];
    expect(await Promise.all([first, second, third])).toEqual(Array.from({ length: 3 }, () => 'command-resumed'));
    expect(await fourth).toMatchObject({ rc: 0 });
    expect(record.problems).toEqual([]);
    expect(record.text === sequence(200_000).repeat(2)).toBe(true);
  });

  it('waits when it has written more than may be spooled, without counting as silent', async () => {
    start(['--spool-mb', '2']);
    const first = await master.worker();
    const record = new Record(build, 'c1');
    const done = join(basedir, 'done');
    const lost = record.start(first, `seq 1 1000000; touch ${done}; echo end`, { timeout: 1 });
    await until('it has begun', () => record.stored > 0);
    first.socket.terminate();
    expect(await lost).toBe('worker-lost');
    const second = await master.worker();
    const heldAt = Date.now();
    await until('the time-out has long passed', () => Date.now() - heldAt > 2500);
    expect(spooledBytes()).toBeGreaterThan(1_900_000);
    expect(spooledBytes()).toBeLessThan(2_500_000);
    expect(existsSync(done)).toBe(false);
    expect(await record.resume(second)).toMatchObject({ rc: 0, failureReason: null });
    expect(record.problems).toEqual([]);
    expect(record.text === `${sequence(1_000_000)}end\n`).toBe(true);
    expect(spooledBytes()).toBe(0);
  });

  it('can be forgotten: its processes end and its output is dropped', async () => {
    start();
    const first = await master.worker();
    const record = new Record(build, 'c1');
    void record.start(first, 'sleep 300 & echo $$ $!; seq 1 300000; wait');
    await until('it has begun', () => record.stored > 1);
    const pids = record.text.split('\n')[0]!.split(' ').map(Number);
    first.socket.terminate();
    const second = await master.worker();
    await until('output waits', () => spooledBytes() > 0);
    await second.session.forget('c1');
    await second.session.forget('never heard of');
    await until('its processes are gone', () => !pids.some(isAlive));
    expect(spooledBytes()).toBe(0);
    expect(await record.resume(second)).toBe('command-unknown');
    second.socket.terminate();
    expect((await master.worker()).session.info.runningCommands).toEqual([]);
  });

  it('ends, with everything that it started, when its spool cannot be read', async () => {
    start();
    const first = await master.worker();
    const record = new Record(build, 'c1');
    void record.start(first, 'echo $$; seq 1 300000; sleep 300');
    await until('it has begun', () => record.stored > 1);
    first.socket.terminate();
    const second = await master.worker();
    await until('output waits', () => spooledBytes() > 0);
    for (const name of readdirSync(spool)) truncateSync(join(spool, name), 2);
    expect(await record.resume(second)).toMatchObject({ failure: expect.stringContaining('the worker lost output') });
    await until('its process is gone', () => !isAlive(Number(record.text.split('\n')[0])));
    second.socket.terminate();
    expect((await master.worker()).session.info.runningCommands).toEqual([]);
  });

  it('is not held by a restarted worker', async () => {
    const killed = start();
    const first = await master.worker();
    const record = new Record(build, 'c1');
    void record.start(first, 'seq 1 300000; sleep 300');
    await until('it has begun', () => record.stored > 0);
    first.socket.terminate();
    const second = await master.worker();
    expect(second.session.info.incarnation).toBe(first.session.info.incarnation);
    await until('output waits', () => spooledBytes() > 0);
    await killed.stop('SIGKILL');
    start();
    const third = await master.worker();
    expect(third.session.info.runningCommands).toEqual([]);
    expect(third.session.info.incarnation).not.toBe(first.session.info.incarnation);
    expect(spooledBytes()).toBe(0);
  });

  it('fails when it is a transfer', async () => {
    start();
    const first = await master.worker();
    await first.shell(build, 'echo content > file');
    let isMoving = false;
    const upload = first.run(
      'upload_file',
      { path: join(build, 'file'), blocksize: 1, maxsize: null },
      {
        writeUpload: () => {
          isMoving = true;
          return new Promise(() => undefined);
        },
      },
      'up',
    );
    upload.catch(() => undefined);
    await until('it moves', () => isMoving);
    first.socket.terminate();
    const second = await master.worker();
    const outcome = await second.session.resumeCommand('up', { updates: () => undefined });
    expect(outcome).toMatchObject({ rc: 1, failure: expect.stringContaining('the connection to the master is gone') });
  });

  it('takes little memory, however much output waits', async () => {
    const worker = start();
    const first = await master.worker();
    // Never acknowledged, so that the updates are sent again.
    const record = new Record(build, 'c1', false, () => new Promise(() => undefined));
    const done = join(basedir, 'done');
    void record.start(first, `yes ${'x'.repeat(99)} | head -c 300000000; touch ${done}`);
    await until('it has begun', () => record.stored > 0);
    first.socket.terminate();
    const second = await master.worker();
    await until('it has written everything', () => existsSync(done), 60_000);
    expect(spooledBytes()).toBeGreaterThan(290_000_000);
    const again = new Record(build, 'c1', false, () => new Promise((resolve) => setImmediate(resolve)));
    expect(await again.resume(second)).toMatchObject({ rc: 0 });
    expect(again).toMatchObject({ chars: 300_000_000, lines: 3_000_000, problems: [] });
    expect(worker.peakMemoryMiB()).toBeLessThan(250);
  });
});
