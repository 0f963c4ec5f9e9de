import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { requireOfMachine } from '@millrace/testing';
import type { MsgpackMasterSession } from '@millrace/worker-protocol';
import { list } from 'tar';
import { gunzipSync } from 'node:zlib';
import { Attached, TestMaster } from './test-master.js';
import { isAlive, until, WorkerProcess } from './worker-process.js';

jest.setTimeout(30_000);

let master: TestMaster;
let worker: WorkerProcess;
let attached: Attached;
let basedir: string;
let build: string;
let temporary: string;

beforeAll(async () => {
  basedir = mkdtempSync(join(tmpdir(), 'millrace-worker-'));
  build = join(basedir, 'b', 'build');
  temporary = join(basedir, 'tmp');
  mkdirSync(temporary);
  master = await TestMaster.start();
  worker = WorkerProcess.start(master.url, basedir, { TMPDIR: temporary });
  attached = await master.worker();
});

afterAll(async () => {
  await worker.stop();
  await master.stop();
  rmSync(basedir, { recursive: true, force: true });
});

/** Returns the header lines that are the same in every run. */
const stable = (header: string): string =>
  header.replace(/elapsedTime=[\d.]+/, 'elapsedTime=…').replaceAll(basedir, '/w');

describe('the worker’s information', () => {
  it('is that of a stock worker, with some additions', () => {
    const { info } = attached.session;
    expect(info).toMatchObject({ system: 'posix', basedir, deleteLeftoverDirs: false, runningCommands: [] });
    expect(info.texts['host']).toMatch(/\n$/);
    expect(info.texts['os_id']).toBeDefined();
    expect(Object.keys(info.commands)).toHaveLength(11);
    expect(info.environ).toMatchObject({ GREETING: 'hello' });
    expect(info.environ).not.toHaveProperty('MILLRACE_WORKER_PASSWORD');
  });

  it('is logged without secrets', () => {
    expect(worker.log).toContain('connected');
    expect(worker.log).not.toContain('s3cret');
  });
});

describe('shell', () => {
  it('runs a line, with the usual header', async () => {
    const ran = await attached.shell(build, 'echo out; echo err >&2; exit 3', { timeout: 60, maxTime: 1.5 });
    expect(ran).toMatchObject({ rc: 3, failure: null, failureReason: null, stdout: 'out\n', stderr: 'err\n' });
    expect(ran.elapsedSeconds).toBeGreaterThan(0);
    expect(stable(ran.header)).toBe(
      [
        'echo out; echo err >&2; exit 3',
        ' in dir /w/b/build (timeout 60 secs) (maxTime 1.5 secs)',
        ' watching logfiles {}',
        " argv: b'echo out; echo err >&2; exit 3'",
        ' using PTY: False',
        'elapsedTime=…',
        '',
      ].join('\n'),
    );
  });

  it('runs a list without a shell, and shows it quoted', async () => {
    const ran = await attached.shell(build, ['printf', '%s|', 'a b', '$HOME', "it's"]);
    expect(ran.stdout).toBe("a b|$HOME|it's|\n");
    expect(stable(ran.header)).toContain(
      "printf '%s|' 'a b' '$HOME' 'it'\"'\"'s'\n in dir /w/b/build\n watching logfiles {}\n" +
        " argv: [b'printf', b'%s|', b'a b', b'$HOME', b\"it's\"]\n",
    );
  });

  it('hides obfuscated values in headers and gives them to the command', async () => {
    const secret = { obfuscated: 'XXX', value: 'hunter2' };
    const ran = await attached.shell(build, ['sh', '-c', 'echo $0 $TOKEN | rev', secret], {
      env: { TOKEN: secret },
      logEnviron: true,
    });
    expect(ran.stdout).toBe('2retnuh 2retnuh\n');
    expect(ran.header).toContain("b'XXX']");
    expect(ran.header).toContain('\n  TOKEN=XXX\n');
    expect(ran.header + worker.log).not.toContain('hunter2');
  });

  it('builds the environment from its own', async () => {
    const env = { A: 'x-${GREETING}-${NONE}-$GREETING', LIST: ['/a', '${GREETING}'], HOME: null };
    const ran = await attached.shell(build, 'echo "$A|$LIST|${HOME-gone}|$PWD"', { env });
    expect(ran.stdout).toBe(`x-hello--$GREETING|/a:hello|gone|${build}\n`);
    const bad = attached.shell(build, 'true', { env: { A: 5 } });
    await expect(bad).rejects.toThrow("'env.A' must be text, a list of texts or null, not 5");
  });

  it('writes to stdin, and otherwise closes it', async () => {
    expect((await attached.shell(build, 'cat', { initial_stdin: 'given\n' })).stdout).toBe('given\n');
    expect((await attached.shell(build, 'cat; echo end')).stdout).toBe('end\n');
    expect((await attached.shell(build, 'exit 0', { initial_stdin: 'x'.repeat(1_000_000) })).rc).toBe(0);
  });

  it('can open its standard streams by name, also after they have been read or passed on', async () => {
    const one = await attached.shell(
      build,
      'cat /dev/stdin; cat /proc/self/fd/0 | tail -1; echo out > /dev/stdout; seq 2 | tee /dev/stderr /proc/self/fd/1; [ -p /dev/stdout ]',
      { initial_stdin: 'given\n' },
    );
    expect(one).toMatchObject({ rc: 0, stderr: '1\n2\n' });
    expect(one.stdout).toBe('given\ngiven\nout\n1\n2\n1\n2\n');
    const other = await attached.shell(build, ['sh', '-c', '{ sleep 0.2; echo late > /dev/fd/1; } & exit 3']);
    expect(other).toMatchObject({ rc: 3, stdout: 'late\n' });
  });

  it('has pipes and a standard input that no other user can open, and leaves none of them behind', async () => {
    const ran = await attached.shell(build, 'stat -L -c "%a %h" /dev/stdin /dev/stdout /dev/stderr', {
      initial_stdin: 'given',
    });
    expect(ran.stdout).toBe('600 0\n600 0\n600 0\n');
    expect(readdirSync(temporary)).toEqual([]);
  });

  it('runs with sockets when no pipes can be made, and reports it once', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-worker-'));
    const poor = WorkerProcess.start(master.url, folder, { TMPDIR: join(folder, 'none') });
    const { session } = await master.worker();
    const there = new Attached(session, { terminate: () => undefined });
    for (const text of ['one\n', 'two\n'])
      expect(await there.shell(folder, 'cat', { initial_stdin: text })).toMatchObject({ rc: 0, stdout: text });
    expect(poor.log.match(/commands get sockets.*ENOENT/g)).toHaveLength(1);
    await poor.stop();
    rmSync(folder, { recursive: true });
  });

  it('leaves out unwanted streams', async () => {
    const ran = await attached.shell(build, 'echo a; echo b >&2', { want_stdout: false });
    expect(ran).toMatchObject({ stdout: '', stderr: 'b\n', rc: 0 });
  });

  it('reports a missing terminal', async () => {
    const ran = await attached.shell(build, 'test -t 1', { usePTY: true });
    expect(ran.rc).toBe(1);
    expect(ran.header).toContain('no pseudo-terminals');
  });

  it('passes on multi-byte characters that were cut, and invalid bytes', async () => {
    const script = `process.stdout.write(Buffer.from('c3','hex'));
      setTimeout(() => process.stdout.write(Buffer.from('a9f09d','hex')), 50);
      setTimeout(() => process.stdout.write(Buffer.concat([Buffer.from('849eff0a','hex'), Buffer.from('next')])), 100);`;
    const ran = await attached.shell(build, [process.execPath, '-e', script]);
    expect(ran.stdout).toBe('é𝄞\ufffd\nnext\n');
  });

  it('passes on a line of 20,000 characters in one piece', async () => {
    const ran = await attached.shell(build, "head -c 20000 /dev/zero | tr '\\0' x; echo; echo end");
    expect(ran.stdout).toBe(`${'x'.repeat(20_000)}\nend\n`);
  });

  it('refuses a line length of zero, and keeps its former settings', async () => {
    const session = attached.session as MsgpackMasterSession;
    await expect(session.attach({ maxLineLength: 0 })).rejects.toThrow('max_line_length must be at least 2, not 0');
    expect((await attached.shell(build, 'echo abc')).stdout).toBe('abc\n');
  });

  it('reports what it cannot start', async () => {
    const list = await attached.shell(build, ['no-such-program-here']);
    expect(list).toMatchObject({ rc: 1, failure: null });
    expect(list.stderr).toBe("cannot start 'no-such-program-here': ENOENT\n");
    expect((await attached.shell(build, 'no-such-program-here')).rc).toBe(127);
    expect((await attached.shell(build, ['echo', 'a\0b'])).stderr).toContain("cannot start 'echo'");
    const secrets = ['hunter2', 'hunter\u00002'].map((value) => ({ obfuscated: 'XXX', value }));
    for (const command of [secrets, ['echo', ...secrets]]) {
      const ran = await attached.shell(build, command);
      expect(ran.stderr).toMatch(/^cannot start '(XXX|echo)': ERR_INVALID_ARG_VALUE\n$/);
    }
    expect((await attached.shell(build, secrets.slice(0, 1))).stderr).toBe("cannot start 'XXX': ENOENT\n");
    const blocked = await attached.shell('/proc/nowhere/build', 'true');
    expect(blocked).toMatchObject({ rc: null, failure: expect.stringContaining('/proc/nowhere') });
  });

  it('names the signal that ended a command', async () => {
    const ran = await attached.shell(build, 'kill -TERM $$');
    expect(ran.rc).toBe(-1);
    expect(ran.header).toContain('\nprocess killed by signal 15\nelapsedTime=');
  });

  it('refuses bad arguments and names them', async () => {
    await expect(attached.run('shell', { workdir: build })).rejects.toThrow('shell is missing args: command');
    await expect(attached.shell(build, 'true', { timeout: 'soon' })).rejects.toThrow(
      "'timeout' must be a number above zero, not 'soon'",
    );
    await expect(attached.shell(build, 'true', { interruptSignal: 'NOPE' })).rejects.toThrow(
      "'interruptSignal' must be",
    );
    await expect(attached.run('frobnicate' as 'shell', {})).rejects.toThrow("unrecognized WorkerCommand 'frobnicate'");
  });
});

describe('a command that takes too long', () => {
  it('is killed after so many seconds without output', async () => {
    const ran = await attached.shell(build, 'echo a; sleep 0.7; echo b; sleep 60', { timeout: 1 });
    expect(ran).toMatchObject({ rc: -1, failureReason: 'timeout_without_output', stdout: 'a\nb\n' });
    expect(ran.header).toContain(
      "\ncommand timed out: 1 seconds without output running b'echo a; sleep 0.7; echo b; sleep 60', attempting to kill\nprocess killed by signal 9\n",
    );
  });

  it('is killed after so many seconds in all', async () => {
    const ran = await attached.shell(build, 'while :; do echo a; sleep 0.1; done', { maxTime: 1, timeout: 5 });
    expect(ran).toMatchObject({ rc: -1, failureReason: 'timeout' });
    expect(ran.header).toContain('\ncommand timed out: 1 seconds elapsed running ');
  });

  it('may have a longer limit than a timer can wait for', async () => {
    const forever = { timeout: 3e6, maxTime: 1e12, sigtermTime: 3e6 };
    expect(await attached.shell(build, 'sleep 0.2; echo a', forever)).toMatchObject({
      rc: 0,
      stdout: 'a\n',
      header: expect.not.stringContaining('timed out'),
    });
  });

  it('is killed after so many lines', async () => {
    const ran = await attached.shell(build, 'seq 1 30; sleep 60', { max_lines: 5 });
    expect(ran).toMatchObject({ rc: -1, failureReason: 'max_lines_failure' });
    expect(ran.header).toContain('command exceeds max lines: 30/5 written/allowed running ');
  });

  it('gets SIGTERM first if requested, and time to end', async () => {
    const polite = await attached.shell(build, "trap 'echo bye; exit 0' TERM; while :; do sleep 0.05; done", {
      maxTime: 0.3,
      sigtermTime: 20,
    });
    expect(polite).toMatchObject({ rc: -1, stdout: 'bye\n', failureReason: 'timeout' });
    const stubborn = await attached.shell(build, "trap '' TERM; while :; do sleep 0.05; done", {
      maxTime: 0.3,
      sigtermTime: 0.5,
    });
    expect(stubborn.rc).toBe(-1);
    expect(stubborn.header).toContain('process killed by signal 9');
    expect(stubborn.elapsedSeconds).toBeGreaterThan(0.8);
  });
});

describe('an interrupted command', () => {
  it('is killed with its grandchildren, also those that hold the pipes', async () => {
    let grandchild = 0;
    const id = 'interrupted-1';
    const running = attached.shell(
      build,
      'sleep 300 & echo $!; wait',
      {},
      {
        updates: (batch) => {
          for (const update of batch) if (update.kind === 'stdout') grandchild = Number(update.text);
        },
      },
      id,
    );
    await until('the grandchild runs', () => grandchild > 0 && isAlive(grandchild));
    await attached.session.interrupt(id, 'stop it');
    const ran = await running;
    expect(ran.rc).toBe(-1);
    await until('the grandchild is gone', () => !isAlive(grandchild));
  });

  it('does not wait for a grandchild that has left its group but keeps the pipe', async () => {
    let escaped = 0;
    const id = 'interrupted-2';
    const running = attached.shell(
      build,
      'setsid sleep 300 & echo $!; wait',
      {},
      {
        updates: (batch) => {
          for (const update of batch) if (update.kind === 'stdout') escaped = Number(update.text);
        },
      },
      id,
    );
    await until('it runs', () => escaped > 0);
    await attached.session.interrupt(id, 'stop it');
    expect((await running).rc).toBe(-1);
    process.kill(escaped, 'SIGKILL');
  });

  it('reports that it was interrupted', async () => {
    const id = 'interrupted-3';
    let header = '';
    const running = attached.shell(
      build,
      'sleep 300',
      {},
      {
        updates: (batch) => {
          for (const update of batch) if (update.kind === 'header') header += update.text;
        },
      },
      id,
    );
    await until('it runs', () => header.includes('using PTY'));
    await attached.session.interrupt(id, 'stop it');
    expect(await running).toMatchObject({ rc: -1, failureReason: null });
    expect(header).toContain('\ncommand interrupted, attempting to kill\nprocess killed by signal 9\n');
    await expect(attached.session.interrupt('nobody', 'why not')).resolves.toBeUndefined();
  });
});

describe('watched log files', () => {
  it('are sent as they grow, from their beginning once they change, or from where they ended', async () => {
    mkdirSync(build, { recursive: true });
    writeFileSync(join(build, 'old.log'), 'before\n');
    writeFileSync(join(build, 'followed.log'), 'before\n');
    writeFileSync(join(build, 'untouched.log'), 'before\n');
    const logfiles = {
      new: 'new.log',
      old: 'old.log',
      followed: { filename: 'followed.log', follow: true },
      untouched: { filename: 'untouched.log' },
      never: 'never.log',
    };
    const ran = await attached.shell(
      build,
      'printf "one\\ntwo" > new.log; echo more >> old.log; echo more >> followed.log',
      { logfiles },
    );
    const logs: Record<string, string> = {};
    for (const update of ran.updates)
      if (update.kind === 'log') logs[update.name] = (logs[update.name] ?? '') + update.text;
    expect(logs).toEqual({ new: 'one\ntwo\n', old: 'before\nmore\n', followed: 'more\n' });
    expect(ran.header).toContain("'followed': {'filename': 'followed.log', 'follow': True}");
  });

  const readsFail = '/sys/class/net/lo/speed';
  (requireOfMachine(existsSync(readsFail), readsFail) ? it : it.skip)(
    'that cannot be read end the command with everything that it started',
    async () => {
      let sleeping = 0;
      const ran = attached.shell(
        build,
        `ln -s ${readsFail} unreadable.log; echo $$; sleep 300`,
        { logfiles: { log: 'unreadable.log' } },
        { updates: (batch) => batch.forEach((update) => update.kind === 'stdout' && (sleeping = Number(update.text))) },
      );
      expect(await ran).toMatchObject({ rc: null, failure: expect.stringContaining('EINVAL') });
      expect(sleeping).toBeGreaterThan(0);
      expect(isAlive(sleeping)).toBe(false);
    },
  );

  it('are read while the command runs and count as a sign of life', async () => {
    let seen = '';
    const running = attached.shell(
      build,
      'for i in 1 2 3 4 5 6; do echo $i >> live.log; sleep 0.5; done',
      { logfiles: { live: 'live.log' }, timeout: 2.8 },
      {
        updates: (batch) => {
          for (const update of batch) if (update.kind === 'log') seen += update.text;
        },
      },
    );
    await until('something arrives before the end', () => seen !== '');
    expect(seen).not.toContain('6');
    expect(await running).toMatchObject({ rc: 0, failureReason: null });
    expect(seen).toBe('1\n2\n3\n4\n5\n6\n');
  });
});

describe('files and directories', () => {
  it('mkdir, stat, listdir, glob, rmfile', async () => {
    const dir = join(basedir, 'files');
    expect((await attached.run('mkdir', { paths: [join(dir, 'a/b'), dir] })).rc).toBe(0);
    for (const name of ['a/1.txt', 'a/b/2.txt', 'a/.hidden.txt', 'a/x[1].txt']) writeFileSync(join(dir, name), name);
    expect((await attached.run('listdir', { path: join(dir, 'a') })).files?.toSorted()).toEqual([
      '.hidden.txt',
      '1.txt',
      'b',
      'x[1].txt',
    ]);
    const glob = async (pattern: string): Promise<string[]> =>
      ((await attached.run('glob', { path: join(dir, pattern) })).files ?? [])
        .map((path) => path.slice(dir.length + 1))
        .sort();
    expect(await glob('a/*.txt')).toEqual(['a/1.txt', 'a/x[1].txt']);
    expect(await glob('**/*.txt')).toEqual(['a/1.txt', 'a/b/2.txt', 'a/x[1].txt']);
    expect(await glob('a/[!x]*')).toEqual(['a/1.txt', 'a/b']);
    expect(await glob('a/x[[]?].txt')).toEqual(['a/x[1].txt']);
    expect(await glob('nothing/*')).toEqual([]);
    const stat = await attached.run('stat', { path: join(dir, 'a/1.txt') });
    const expected = statSync(join(dir, 'a/1.txt'));
    expect(stat.rc).toBe(0);
    expect(stat.stat?.[0]).toBe(expected.mode);
    expect(stat.stat?.[6]).toBe(7);
    expect(stat.stat?.[8]).toBe(Math.floor(expected.mtimeMs / 1000));
    expect((await attached.run('rmfile', { path: join(dir, 'a/1.txt') })).rc).toBe(0);
    expect(existsSync(join(dir, 'a/1.txt'))).toBe(false);
  });

  it('report an errno and name the path', async () => {
    const gone = join(basedir, 'gone');
    expect(await attached.run('stat', { path: gone })).toMatchObject({
      rc: 2,
      header: `stat: No such file or directory: ${gone}\n`,
    });
    expect(await attached.run('listdir', { path: gone })).toMatchObject({ rc: 2 });
    expect(await attached.run('rmfile', { path: gone })).toMatchObject({ rc: 2 });
    writeFileSync(join(basedir, 'file'), '');
    expect(await attached.run('mkdir', { paths: [join(basedir, 'file/sub')] })).toMatchObject({ rc: 20 });
  });

  it('cpdir and rmdir, also of write-protected and missing ones', async () => {
    const from = join(basedir, 'tree');
    mkdirSync(join(from, 'locked'), { recursive: true });
    writeFileSync(join(from, 'locked/f'), 'text');
    symlinkSync('locked/f', join(from, 'link'));
    const copied = await attached.run('cpdir', {
      from_path: from,
      to_path: join(basedir, 'new/copy'),
      logEnviron: false,
    });
    expect(copied).toMatchObject({ rc: 0, stdout: expect.stringContaining('locked/f') });
    expect(readFileSync(join(basedir, 'new/copy/link'), 'utf8')).toBe('text');
    const removed = await attached.run('rmdir', {
      paths: [from, join(basedir, 'new'), join(basedir, 'never')],
      logEnviron: false,
    });
    expect(removed.rc).toBe(0);
    expect(removed.header).toContain('(timeout 120 secs)');
    expect([existsSync(from), existsSync(join(basedir, 'new'))]).toEqual([false, false]);
  });
});

describe('transfers', () => {
  const content = Buffer.from(Array.from({ length: 1000 }, (_none, index) => index % 256));

  it('upload a file in blocks, with its times', async () => {
    const path = join(basedir, 'up.bin');
    writeFileSync(path, content);
    utimesSync(path, 1_000_000_000.5, 1_100_000_000.25);
    const blocks: Buffer[] = [];
    const calls: string[] = [];
    const ran = await attached.run(
      'upload_file',
      { path, maxsize: null, blocksize: 300, keepstamp: true },
      {
        writeUpload: (block) => Promise.resolve(void blocks.push(Buffer.from(block))),
        closeUpload: () => Promise.resolve(void calls.push('close')),
        uploadTimes: (access, modified) => Promise.resolve(void calls.push(`${access} ${modified}`)),
      },
    );
    expect(ran).toMatchObject({ rc: 0, header: `sending ${path}\n` });
    expect(blocks.map((block) => block.length)).toEqual([300, 300, 300, 100]);
    expect(Buffer.concat(blocks)).toEqual(content);
    expect(calls).toEqual(['close', '1000000000.5 1100000000.25']);
  });

  it('upload no more than allowed, and nothing of a missing file', async () => {
    const blocks: Buffer[] = [];
    let closed = 0;
    const sink = {
      writeUpload: (block: Uint8Array) => Promise.resolve(void blocks.push(Buffer.from(block))),
      closeUpload: () => Promise.resolve(void (closed += 1)),
    };
    const path = join(basedir, 'up.bin');
    const cut = await attached.run('upload_file', { path, maxsize: 350, blocksize: 300 }, sink);
    expect(cut).toMatchObject({ rc: 1, stderr: `Maximum filesize reached, truncating file '${path}'\n` });
    expect(Buffer.concat(blocks)).toEqual(content.subarray(0, 350));
    expect((await attached.run('upload_file', { path, maxsize: 1000, blocksize: 300 }, sink)).rc).toBe(0);
    const none = await attached.run('upload_file', { path: `${path}.gone`, maxsize: null, blocksize: 300 }, sink);
    expect(none).toMatchObject({
      rc: 1,
      stderr: `Cannot open file '${path}.gone' for upload: No such file or directory\n`,
    });
    expect(closed).toBe(3);
  });

  it('do not wait for the other end of a FIFO', async () => {
    const path = join(basedir, 'fifo');
    expect(spawnSync('mkfifo', [path]).status).toBe(0);
    const sink = { closeUpload: () => Promise.resolve(), closeDownload: () => Promise.resolve() };
    const up = await attached.run('upload_file', { path, maxsize: null, blocksize: 300 }, sink);
    expect(up).toMatchObject({ rc: 1, stderr: `Cannot open file '${path}' for upload: it is a FIFO\n` });
    const down = await attached.run('download_file', { path, maxsize: null, blocksize: 300, mode: null }, sink);
    expect(down).toMatchObject({ rc: 1, stderr: expect.stringContaining('no plain file') });
    expect(await attached.shell(basedir, 'echo a', { logfiles: { log: path } })).toMatchObject({ rc: 0 });
  });

  it('end with the error of a master that cannot take the data', async () => {
    const ran = attached.run(
      'upload_file',
      { path: join(basedir, 'up.bin'), maxsize: null, blocksize: 300 },
      {
        writeUpload: () => Promise.reject(new Error('disk full')),
        closeUpload: () => Promise.resolve(),
      },
    );
    await expect(ran).rejects.toThrow('disk full');
  });

  it.each([null, 'gz'])('upload a directory as an archive, compress %s', async (compress) => {
    const dir = join(basedir, 'archive-me');
    mkdirSync(join(dir, 'sub'), { recursive: true });
    writeFileSync(join(dir, 'sub', 'f'.repeat(120)), content);
    symlinkSync('sub', join(dir, `link-${compress}`));
    const blocks: Buffer[] = [];
    let unpacked = 0;
    const ran = await attached.run(
      'upload_directory',
      { path: dir, maxsize: null, blocksize: 512, compress },
      {
        writeDirectory: (block) => Promise.resolve(void blocks.push(Buffer.from(block))),
        unpackDirectory: () => Promise.resolve(void (unpacked += 1)),
      },
    );
    expect(ran.rc).toBe(0);
    expect(unpacked).toBe(1);
    expect(Math.max(...blocks.map((block) => block.length))).toBeLessThanOrEqual(512);
    const archive = compress === 'gz' ? gunzipSync(Buffer.concat(blocks)) : Buffer.concat(blocks);
    const entries: string[] = [];
    const file = join(basedir, 'archive.tar');
    writeFileSync(file, archive);
    list({ file, sync: true, onReadEntry: (entry) => entries.push(`${entry.type} ${entry.path} ${entry.size}`) });
    expect(entries).toEqual(
      expect.arrayContaining([`File ./sub/${'f'.repeat(120)} 1000`, `SymbolicLink ./link-${compress} 0`]),
    );
  });

  it('refuse bz2, and a directory that does not exist', async () => {
    const args = { path: join(basedir, 'up.bin'), maxsize: null, blocksize: 512, compress: 'bz2' };
    await expect(attached.run('upload_directory', args)).rejects.toThrow("'compress' must be 'gz' or nil");
    const none = await attached.run('upload_directory', { ...args, compress: null });
    expect(none).toMatchObject({ rc: 1, stderr: expect.stringContaining('Cannot read directory') });
  });

  it('download a file into a new directory, with its mode', async () => {
    const path = join(basedir, 'down/deep/file');
    let at = 0;
    let closed = 0;
    const sink = {
      readDownload: (length: number) => Promise.resolve(content.subarray(at, (at += length))),
      closeDownload: () => Promise.resolve(void (closed += 1)),
    };
    const ran = await attached.run('download_file', { path, maxsize: null, blocksize: 300, mode: 0o640 }, sink);
    expect(ran.rc).toBe(0);
    expect(readFileSync(path)).toEqual(content);
    expect(statSync(path).mode & 0o777).toBe(0o640);
    at = 0;
    expect((await attached.run('download_file', { path, maxsize: 1000, blocksize: 300, mode: null }, sink)).rc).toBe(0);
    at = 0;
    const cut = await attached.run('download_file', { path, maxsize: 350, blocksize: 300, mode: null }, sink);
    expect(cut).toMatchObject({ rc: 1, stderr: expect.stringContaining('Maximum filesize reached') });
    expect(readFileSync(path)).toEqual(content.subarray(0, 350));
    const bad = await attached.run(
      'download_file',
      { path: join(basedir, 'down/deep'), maxsize: null, blocksize: 300, mode: null },
      sink,
    );
    expect(bad).toMatchObject({ rc: 1, stderr: expect.stringContaining('Cannot open file') });
    expect(closed).toBe(4);
  });

  it('download a file in place of a link, and not through it', async () => {
    const folder = join(basedir, 'down/links');
    mkdirSync(folder, { recursive: true });
    const precious = join(folder, 'precious');
    writeFileSync(precious, 'precious');
    const path = join(folder, 'link');
    symlinkSync(precious, path);
    const download = (mode: number | null, fails = false) => {
      let at = 0;
      return attached.run(
        'download_file',
        { path, maxsize: null, blocksize: 300, mode },
        {
          readDownload: (length: number) =>
            fails && at > 0 ? Promise.reject(new Error('gone')) : Promise.resolve(content.subarray(at, (at += length))),
          closeDownload: () => Promise.resolve(),
        },
      );
    };
    expect((await download(0o600)).rc).toBe(0);
    expect(readFileSync(precious, 'utf8')).toBe('precious');
    expect(lstatSync(path).isFile()).toBe(true);
    // An existing file keeps its mode, and its content when nothing replaces it.
    writeFileSync(path, 'before');
    await expect(download(null, true)).rejects.toThrow('gone');
    expect(readFileSync(path, 'utf8')).toBe('before');
    expect((await download(null)).rc).toBe(0);
    expect(readFileSync(path)).toEqual(content);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder).sort()).toEqual(['link', 'precious']);
  });

  it('stop between two blocks when interrupted', async () => {
    const path = join(basedir, 'down/never-ends');
    let reads = 0;
    const running = attached.run(
      'download_file',
      { path, maxsize: null, blocksize: 10, mode: null },
      {
        readDownload: () => {
          reads += 1;
          return Promise.resolve(Buffer.from('0123456789'));
        },
        closeDownload: () => Promise.resolve(),
      },
      'endless',
    );
    await until('it reads', () => reads > 10);
    await attached.session.interrupt('endless', 'enough');
    expect((await running).rc).toBe(1);
  });
});
