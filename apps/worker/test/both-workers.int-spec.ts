import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { msgpackCommand, type StepCommand } from '@millrace/worker-protocol';
import { provisionStockWorker, requireService, StockWorker } from '@millrace/testing';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PbTestMaster } from './pb-test-master.js';
import { type Attached, type Ran, TestMaster } from './test-master.js';
import { until, WorkerProcess } from './worker-process.js';

jest.setTimeout(120_000);

/** What a master relies on, of the stock worker as of ours: whatever one says, the other says too. */
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

  async function step(command: StepCommand, sink = {}, id?: string): Promise<Ran> {
    const { name, args } = msgpackCommand(attached.session.info, 'b', command);
    return attached.run(name, args, sink, id);
  }

  const shell = (line: string | string[], more = {}): StepCommand => ({
    command: 'shell',
    workdir: 'build',
    line,
    logEnviron: false,
    ...more,
  });

  it('tells about itself', () => {
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
      const ran = await step(shell(line, { timeoutSeconds: 20 }));
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

  it('passes long lines, odd bytes and carriage returns', async () => {
    const ran = await step(
      shell(`head -c 20000 /dev/zero | tr '\\0' x; echo; printf 'caf\\351\\n10%%\\r20%%\\r\\nend'`),
    );
    const [long, ...others] = ran.stdout.split(/\n(?!x|\n)/);
    expect(others.join('\n')).toBe('caf\ufffd\n10%\n20%\nend\n');
    // Over PB the worker itself cuts lines of 4,096 and more characters, and loses some of them (protocol §7.3).
    if (longLinesIntact) expect(long).toBe('x'.repeat(20_000));
    else expect(long).toMatch(/^[x\n]{4096,}$/);
  });

  it('kills what takes too long and says why', async () => {
    // Before version 3.2 of the commands only the header says it; `max_lines` came with 3.3.
    const why = (reason: string): string | null => (commandVersion < '3.2' ? null : reason);
    expect(await step(shell('sleep 60', { timeoutSeconds: 1 }))).toMatchObject({
      rc: -1,
      failureReason: why('timeout_without_output'),
    });
    expect(await step(shell('sleep 60', { maxTimeSeconds: 1 }))).toMatchObject({
      rc: -1,
      failureReason: why('timeout'),
    });
    if (commandVersion < '3.3') return;
    expect(await step(shell('seq 1 30; sleep 60', { maxLines: 5 }))).toMatchObject({
      rc: -1,
      failureReason: 'max_lines_failure',
    });
  });

  it('kills what is interrupted', async () => {
    let header = '';
    const sink = {
      updates: (batch: readonly { kind: string }[]) => {
        for (const update of batch) if (update.kind === 'header' && 'text' in update) header += String(update.text);
      },
    };
    const running = step(shell('sleep 60'), sink, 'to-interrupt');
    await until('it has begun', () => header.includes('using PTY'));
    await attached.session.interrupt('to-interrupt', 'enough');
    expect(await running).toMatchObject({ rc: -1 });
    expect(header).toContain('\ncommand interrupted, attempting to kill\nprocess killed by signal 9\n');
  });

  it('moves files both ways', async () => {
    const content = Buffer.from(Array.from({ length: 1000 }, (_none, index) => index % 256));
    let at = 0;
    const source = {
      readDownload: (length: number) => Promise.resolve(content.subarray(at, (at += length))),
      closeDownload: () => Promise.resolve(),
    };
    const down = await step(
      { command: 'downloadFile', workdir: 'build', destination: 'sub/f', blockSize: 300, mode: 0o600 },
      source,
    );
    expect(down).toMatchObject({ rc: 0, failure: null });
    const blocks: Buffer[] = [];
    const calls: string[] = [];
    const target = {
      writeUpload: (block: Uint8Array) => Promise.resolve(void blocks.push(Buffer.from(block))),
      closeUpload: () => Promise.resolve(void calls.push('close')),
      uploadTimes: () => Promise.resolve(void calls.push('times')),
    };
    const up = await step(
      { command: 'uploadFile', workdir: 'build', source: 'sub/f', blockSize: 300, keepStamp: true },
      target,
    );
    expect(up).toMatchObject({ rc: 0, failure: null, header: `sending ${basedir}/b/build/sub/f\n` });
    expect(Buffer.concat(blocks)).toEqual(content);
    expect(calls).toEqual(['close', 'times']);
    const archive: Buffer[] = [];
    const directory = {
      writeDirectory: (block: Uint8Array) => Promise.resolve(void archive.push(Buffer.from(block))),
      unpackDirectory: () => Promise.resolve(void calls.push('unpack')),
    };
    const dir = await step({ command: 'uploadDirectory', workdir: 'build', source: 'sub', compress: 'gz' }, directory);
    expect(dir).toMatchObject({ rc: 0, failure: null });
    expect(Buffer.concat(archive).subarray(0, 2).toString('hex')).toBe('1f8b');
    expect(calls.at(-1)).toBe('unpack');
    const missing = await step({ command: 'uploadFile', workdir: 'build', source: 'gone' }, target);
    expect(missing).toMatchObject({ rc: 1, stderr: `Cannot open file '${basedir}/b/build/gone' for upload\n` });
  });

  it('works on files and directories', async () => {
    expect(await step({ command: 'mkdir', dirs: ['t/a/b', 't/c'] })).toMatchObject({ rc: 0 });
    expect((await step({ command: 'listdir', path: 't' })).files?.toSorted()).toEqual(['a', 'c']);
    expect((await step({ command: 'glob', path: 't/**/b' })).files).toEqual([join(basedir, 'b/t/a/b')]);
    expect((await step({ command: 'stat', path: 't/a' })).stat).toHaveLength(10);
    expect(await step({ command: 'cpdir', from: 't', to: 'u' })).toMatchObject({ rc: 0 });
    expect(await step({ command: 'rmdir', dirs: ['t', 'u/a'] })).toMatchObject({ rc: 0 });
    expect((await step({ command: 'listdir', path: 'u' })).files).toEqual(['c']);
    const gone = join(basedir, 'b/t');
    for (const command of ['stat', 'listdir', 'rmfile'] as const) {
      expect(await step({ command, path: 't' })).toMatchObject({
        rc: 2,
        header: `${command}: No such file or directory: ${gone}\n`,
      });
    }
  });

  it('refuses a command that it does not know', async () => {
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

/** Debian's package. */
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
