import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { CommandSink } from '@millrace/worker-protocol';
import { provisionStockWorker, StockWorker } from '@millrace/testing';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PbTestMaster } from './pb-test-master.js';
import type { Attached, Ran } from './test-master.js';
import { isAlive, until } from './worker-process.js';

jest.setTimeout(60_000);

(provisionStockWorker() ? describe : describe.skip)('buildbot-worker 4.3.0 over PB', () => {
  let master: PbTestMaster;
  let basedir: string;
  let workers: StockWorker[];

  beforeEach(async () => {
    basedir = mkdtempSync(join(tmpdir(), 'millrace-pb-'));
    master = await PbTestMaster.start();
    workers = [];
  });

  afterEach(async () => {
    await Promise.all(workers.map((worker) => worker.stop()));
    await master.stop();
    rmSync(basedir, { recursive: true, force: true });
  });

  function start(options: readonly string[] = [], folder = basedir): StockWorker {
    const { port, password } = master;
    const worker = StockWorker.start({ port, name: 'w1', password, basedir: folder, protocol: 'pb', options });
    workers.push(worker);
    return worker;
  }

  const at = (...parts: string[]): string => join(basedir, 'b', ...parts);
  const shell = (
    attached: Attached,
    command: string | readonly (string | { obfuscated: string; value: string })[],
    more = {},
    sink: Partial<CommandSink> = {},
  ): Promise<Ran> => attached.shell(at('build'), command, { env: {}, timeout: null, usePTY: false, ...more }, sink);

  const log = (): string => {
    const file = join(basedir, 'twistd.log');
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  };

  it('reports that it is ready, and answers', async () => {
    start();
    const attached = await master.worker();
    await attached.session.ping();
    await attached.session.keepalive();
    await until('it knows that it is attached', () => log().includes('worker is ready'));
    expect(log()).toContain('message from master: attached');
    await until('it was pinged', () => log().includes('message from master: ping'));
  });

  it('survives a refusal, and comes back when its password is right', async () => {
    const right = master.password;
    const worker = start();
    master.password = 'another';
    await until('it was refused twice', () => master.refusals >= 2, 30_000);
    expect(worker.hasExited).toBe(false);
    master.password = right;
    await (await master.worker()).session.ping();
  });

  it('runs many commands at once, none of which kills another', async () => {
    start();
    const attached = await master.worker();
    const ran = await Promise.all(
      Array.from({ length: 10 }, (_none, index) => shell(attached, `echo ${index}; sleep 1; exit ${index}`)),
    );
    expect(ran.map(({ rc, stdout }) => [rc, stdout])).toEqual(ran.map((_one, index) => [index, `${index}\n`]));
  });

  it('does not show secrets on its command lines and in its environment', async () => {
    start();
    const attached = await master.worker();
    const secret = { obfuscated: '<key>', value: 'hush' };
    const ran = await shell(attached, ['sh', '-c', 'test "$0" = "$TOKEN" && test ${#TOKEN} = 4', secret], {
      env: { TOKEN: secret },
      logEnviron: true,
    });
    expect(ran).toMatchObject({ rc: 0, failure: null });
    expect(ran.header).toContain('<key>');
    expect(ran.header).not.toContain('hush');
  });

  it('ends an upload that the master cannot store, and can be used again', async () => {
    start();
    const attached = await master.worker();
    await shell(attached, 'head -c 3000000 /dev/zero > big');
    const transfer = { maxsize: null, blocksize: 10_000_000 };
    const file = { path: at('build/big'), ...transfer, keepstamp: false };
    for (const name of ['upload_file', 'upload_directory'] as const) {
      const full = (): Promise<never> => Promise.reject(new Error('the disk is full'));
      const upload = attached.run(
        name,
        name === 'upload_file' ? file : { path: at('build'), ...transfer, compress: null },
        { writeUpload: full, closeUpload: full, writeDirectory: full, unpackDirectory: full },
      );
      await expect(upload).rejects.toThrow('the disk is full');
    }
    let bytes = 0;
    const again = await attached.run('upload_file', file, {
      writeUpload: (block) => Promise.resolve(void (bytes += block.length)),
      closeUpload: () => Promise.resolve(),
    });
    expect(again).toMatchObject({ rc: 0, failure: null });
    expect(bytes).toBe(3_000_000);
  });

  it('follows a log file', async () => {
    start();
    const attached = await master.worker();
    const ran = await shell(attached, 'echo one > log; sleep 3; echo two >> log', { logfiles: { extra: 'log' } });
    const lines = ran.updates.flatMap((one) => (one.kind === 'log' && one.name === 'extra' ? [one.text] : []));
    expect(lines.join('')).toBe('one\ntwo\n');
  });

  it('kills its commands when the connection is lost, and comes back', async () => {
    start();
    const first = await master.worker();
    let pid = 0;
    const running = shell(
      first,
      'echo $$; sleep 5.5; sleep 300',
      {},
      {
        updates: (batch) => {
          for (const update of batch) if (update.kind === 'stdout') pid = Number(update.text);
        },
      },
    );
    await until('it has begun', () => pid > 0);
    first.socket.terminate();
    await expect(running).rejects.toMatchObject({ code: 'worker-lost' });
    const second = await master.worker();
    await until('the command is gone', () => !isAlive(pid));
    expect(await shell(second, 'echo on')).toMatchObject({ rc: 0, stdout: 'on\n' });
  });

  it('asks for a graceful end, and ends when it is told to', async () => {
    const worker = start(['--allow-shutdown=signal']);
    const attached = await master.worker();
    await until('it is ready', () => log().includes('worker is ready'));
    worker.signal('SIGHUP');
    await until('it asks', () => master.leaving.length > 0);
    expect(master.leaving).toEqual(['w1']);
    expect(await shell(attached, 'echo still')).toMatchObject({ rc: 0 });
    await attached.session.shutdown();
    await until('it has ended', () => worker.hasExited);
  });

  it('keeps the directories of its builders when it deletes the others', async () => {
    for (const folder of ['b', 'leftover']) mkdirSync(join(basedir, folder), { recursive: true });
    master.builddirs = ['b', 'c'];
    start(['--delete-leftover-dirs']);
    const attached = await master.worker();
    expect(attached.session.info.deleteLeftoverDirs).toBe(true);
    await until('the leftover is gone', () => !readdirSync(basedir).includes('leftover'));
    expect(readdirSync(basedir)).toEqual(expect.arrayContaining(['b', 'c', 'info']));
    expect(readFileSync(join(basedir, 'info/admin'), 'utf8')).not.toBe('');
  });

  it('is held back while its output is not stored', async () => {
    start();
    const attached = await master.worker();
    let release: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (release = resolve));
    let lines = 0;
    const running = shell(
      attached,
      'seq 1000000',
      {},
      {
        updates: async (batch) => {
          await gate;
          for (const update of batch) if (update.kind === 'stdout') lines += update.text.split('\n').length - 1;
        },
      },
    );
    await until('it is held back', () => attached.session.unacknowledgedBytes > 1_000_000);
    expect(attached.session.unacknowledgedBytes).toBeLessThan(3_000_000);
    release();
    expect(await running).toMatchObject({ rc: 0 });
    expect(lines).toBe(1_000_000);
  });
});
