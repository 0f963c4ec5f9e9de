import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { CommandSink } from '@millrace/worker-protocol';
import { provisionStockWorker, requireService, StockWorker } from '@millrace/testing';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PbTestMaster } from './pb-test-master.js';
import { type Attached, type Ran, TestMaster } from './test-master.js';
import { until, WorkerProcess } from './worker-process.js';

jest.setTimeout(120_000);

/** Tests what a master relies on, for the stock worker and ours: both must send the same. */
function describeWorker<Master extends TestMaster | PbTestMaster>(
  startMaster: () => Promise<Master>,
  start: (master: Master, basedir: string) => { stop(): Promise<void> },
  { longLinesIntact = true, commandVersion = '3.3' } = {},
): void {
  let master: Master;
  let basedir: string;
  let worker: { stop(): Promise<void> };
  let attached: Attached;

  beforeAll(async () => {
    basedir = mkdtempSync(join(tmpdir(), 'millrace-both-'));
    master = await startMaster();
    worker = start(master, basedir);
    attached = await master.worker();
  });

  afterAll(async () => {
    await worker.stop();
    await master.stop();
    rmSync(basedir, { recursive: true, force: true });
  });

  /** Returns an absolute path below a builder's directory, as an engine sends it. */
  const at = (...parts: string[]): string => join(basedir, 'b', ...parts);
  const shell = (command: string | string[], more = {}, sink: Partial<CommandSink> = {}, id?: string): Promise<Ran> =>
    attached.shell(at('build'), command, { env: {}, timeout: null, usePTY: false, ...more }, sink, id);

  it('sends its information', () => {
    const { info } = attached.session;
    expect(info).toMatchObject({ system: 'posix', basedir, deleteLeftoverDirs: false });
    expect(info.numCpus).toBeGreaterThan(0);
    expect(info.commands).toMatchObject({
      shell: commandVersion,
      upload_file: commandVersion,
      listdir: commandVersion,
    });
    expect(Object.keys(info.texts)).toEqual(expect.arrayContaining(['admin', 'host', 'os_name', 'os_id']));
  });

  it('runs a line and a list, with the same header', async () => {
    for (const line of ['echo "it\'s é"; echo e >&2; exit 4', ['sh', '-c', 'echo "it\'s é"; echo e >&2; exit 4']]) {
      const ran = await shell(line, { timeout: 20 });
      expect(ran).toMatchObject({ rc: 4, failure: null, failureReason: null, stdout: "it's é\n", stderr: 'e\n' });
      expect(ran.elapsedSeconds).toBeGreaterThan(0);
      const header = ran.header.replaceAll(basedir, '/w').replace(/[\d.]+\n$/, '…\n');
      expect(header).toBe(
        typeof line === 'string'
          ? `${line}\n in dir /w/b/build (timeout 20 secs)\n watching logfiles {}\n` +
              ` argv: b'echo "it\\'s \\xc3\\xa9"; echo e >&2; exit 4'\n using PTY: False\nelapsedTime=…\n`
          : `sh -c 'echo "it'"'"'s é"; echo e >&2; exit 4'\n in dir /w/b/build (timeout 20 secs)\n watching logfiles {}\n` +
              ` argv: [b'sh', b'-c', b'echo "it\\'s \\xc3\\xa9"; echo e >&2; exit 4']\n using PTY: False\nelapsedTime=…\n`,
      );
    }
  });

  it('passes on long lines, invalid bytes and carriage returns', async () => {
    const ran = await shell(`head -c 20000 /dev/zero | tr '\\0' x; echo; printf 'caf\\351\\n10%%\\r20%%\\r\\nend'`);
    const [long, ...others] = ran.stdout.split(/\n(?!x|\n)/);
    expect(others.join('\n')).toBe('caf\ufffd\n10%\n20%\nend\n');
    // Over PB the worker itself cuts lines of 4,096 and more characters, and loses some of them (`docs/protocols.md#long-lines`).
    if (longLinesIntact) expect(long).toBe('x'.repeat(20_000));
    else expect(long).toMatch(/^[x\n]{4096,}$/);
  });

  it('kills commands that take too long, and reports why', async () => {
    // Before version 3.2 of the commands only the header gives the reason; `max_lines` came with 3.3.
    const why = (reason: string): string | null => (commandVersion < '3.2' ? null : reason);
    expect(await shell('sleep 60', { timeout: 1 })).toMatchObject({
      rc: -1,
      failureReason: why('timeout_without_output'),
    });
    expect(await shell('sleep 60', { maxTime: 1 })).toMatchObject({
      rc: -1,
      failureReason: why('timeout'),
    });
    if (commandVersion < '3.3') return;
    expect(await shell('seq 1 30; sleep 60', { max_lines: 5 })).toMatchObject({
      rc: -1,
      failureReason: 'max_lines_failure',
    });
  });

  it('kills interrupted commands', async () => {
    let header = '';
    const sink = {
      updates: (batch: readonly { kind: string }[]) => {
        for (const update of batch) if (update.kind === 'header' && 'text' in update) header += String(update.text);
      },
    };
    const running = shell('sleep 60', {}, sink, 'to-interrupt');
    await until('it has begun', () => header.includes('using PTY'));
    await attached.session.interrupt('to-interrupt', 'enough');
    expect(await running).toMatchObject({ rc: -1 });
    expect(header).toContain('\ncommand interrupted, attempting to kill\nprocess killed by signal 9\n');
  });

  it('moves files both ways', async () => {
    const content = Buffer.from(Array.from({ length: 1000 }, (_none, index) => index % 256));
    let offset = 0;
    const source = {
      readDownload: (length: number) => Promise.resolve(content.subarray(offset, (offset += length))),
      closeDownload: () => Promise.resolve(),
    };
    const transfer = { maxsize: null, blocksize: 300 };
    const down = await attached.run('download_file', { path: at('build/sub/f'), ...transfer, mode: 0o600 }, source);
    expect(down).toMatchObject({ rc: 0, failure: null });
    const blocks: Buffer[] = [];
    const calls: string[] = [];
    const target = {
      writeUpload: (block: Uint8Array) => Promise.resolve(void blocks.push(Buffer.from(block))),
      closeUpload: () => Promise.resolve(void calls.push('close')),
      uploadTimes: () => Promise.resolve(void calls.push('times')),
    };
    const up = await attached.run('upload_file', { path: at('build/sub/f'), ...transfer, keepstamp: true }, target);
    expect(up).toMatchObject({ rc: 0, failure: null, header: `sending ${basedir}/b/build/sub/f\n` });
    expect(Buffer.concat(blocks)).toEqual(content);
    expect(calls).toEqual(['close', 'times']);
    const archive: Buffer[] = [];
    const directory = {
      writeDirectory: (block: Uint8Array) => Promise.resolve(void archive.push(Buffer.from(block))),
      unpackDirectory: () => Promise.resolve(void calls.push('unpack')),
    };
    const dir = await attached.run(
      'upload_directory',
      { path: at('build/sub'), ...transfer, compress: 'gz' },
      directory,
    );
    expect(dir).toMatchObject({ rc: 0, failure: null });
    expect(Buffer.concat(archive).subarray(0, 2).toString('hex')).toBe('1f8b');
    expect(calls.at(-1)).toBe('unpack');
    const missing = await attached.run(
      'upload_file',
      { path: at('build/gone'), ...transfer, keepstamp: false },
      target,
    );
    expect(missing).toMatchObject({ rc: 1, stderr: expect.stringContaining(`Cannot open file '${at('build/gone')}'`) });
  });

  it('works on files and directories', async () => {
    const limits = { timeout: null, logEnviron: false };
    const onPath = (name: 'listdir' | 'glob' | 'stat' | 'rmfile', path: string): Promise<Ran> =>
      attached.run(name, { path: at(path) });
    expect(await attached.run('mkdir', { paths: [at('t/a/b'), at('t/c')] })).toMatchObject({ rc: 0 });
    expect((await onPath('listdir', 't')).files?.toSorted()).toEqual(['a', 'c']);
    expect((await onPath('glob', 't/**/b')).files).toEqual([at('t/a/b')]);
    expect((await onPath('stat', 't/a')).stat).toHaveLength(10);
    expect(await attached.run('cpdir', { from_path: at('t'), to_path: at('u'), ...limits })).toMatchObject({ rc: 0 });
    expect(await attached.run('rmdir', { paths: [at('t'), at('u/a')], ...limits })).toMatchObject({ rc: 0 });
    expect((await onPath('listdir', 'u')).files).toEqual(['c']);
    for (const name of ['stat', 'listdir', 'rmfile'] as const) {
      expect(await onPath(name, 't')).toMatchObject({
        rc: 2,
        header: `${name}: No such file or directory: ${at('t')}\n`,
      });
    }
  });

  it('refuses an unknown command', async () => {
    await expect(attached.run('frobnicate' as 'shell', {})).rejects.toThrow("unrecognized WorkerCommand 'frobnicate'");
  });
}

describe('our worker', () => {
  describeWorker(
    () => TestMaster.start(),
    (master, basedir) => WorkerProcess.start(master.url, basedir),
  );
});

(provisionStockWorker() ? describe : describe.skip)('buildbot-worker 4.3.0', () => {
  describe('over msgpack', () => {
    describeWorker(
      () => TestMaster.start(),
      (master, basedir) => StockWorker.start({ port: master.port, name: 'w1', password: master.password, basedir }),
    );
  });

  describe('over PB', () => {
    describeWorker(
      () => PbTestMaster.start(),
      ({ port, password }, basedir) => StockWorker.start({ port, name: 'w1', password, basedir, protocol: 'pb' }),
      { longLinesIntact: false },
    );
  });
});

/** The worker of Debian's package. */
const DEBIAN = '/usr/bin/buildbot-worker';

(requireService('debian-worker') ? describe : describe.skip)("Debian's buildbot-worker 3.7.0", () => {
  describe.each(['msgpack', 'pb'] as const)('over %s', (protocol) => {
    describeWorker<TestMaster | PbTestMaster>(
      () => (protocol === 'pb' ? PbTestMaster.start() : TestMaster.start()),
      ({ port, password }, basedir) =>
        StockWorker.start({ port, name: 'w1', password, basedir, protocol, program: DEBIAN }),
      { longLinesIntact: protocol === 'msgpack', commandVersion: '3.1' },
    );
  });
});
