import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { provisionStockWorker, StockWorker } from '@millrace/testing';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Bench, type Seen } from './bench.js';
import { type Attached, TestMaster } from './test-master.js';
import { WorkerProcess } from './worker-process.js';

jest.setTimeout(120_000);

const AT_A_TIME = 6;
const TREE = { timeout: null, logEnviron: false };

/** A command that both workers run. Outcome and text must be the same, except where a difference is listed with its reason. */
interface Case {
  readonly what: string;
  readonly run: (bench: Bench) => Promise<Seen>;
  readonly differs?: { readonly why: string; readonly ours: Partial<Seen>; readonly stock: Partial<Seen> };
}

const line = (what: string, command: unknown, args?: Record<string, unknown>, differs?: Case['differs']): Case => ({
  what,
  run: (bench) => bench.shell(command, args),
  ...(differs && { differs }),
});
/** A case that is interrupted when it has printed `go`. */
const interrupted = (what: string, command: unknown, args?: Record<string, unknown>): Case => ({
  what,
  run: (bench) => bench.shell(command, args, 'go'),
});
const one = (what: string, run: Case['run'], differs?: Case['differs']): Case => ({
  what,
  run,
  ...(differs && { differs }),
});

const lines: readonly Case[] = [
  line('exit status 0', 'exit 0'),
  line('exit status 255', 'exit 255'),
  line('exit status of a list', ['sh', '-c', 'exit 4']),
  line('its own TERM', 'kill -TERM $$'),
  line('its own KILL', 'kill -KILL $$'),
  line('its own SEGV, as a list', ['sh', '-c', 'kill -SEGV $$']),
  line('an empty line', ''),
  line('several lines', 'echo a\necho "b c"\n# comment\nfalse'),
  line('a line with odd characters', `echo "it's é 𝄞 \\\\ \t" '$HOME' "\`echo x\`" "\\$(true)" *`),
  line('a list with odd characters', [
    ...['printf', '%s|', '', 'a b', '"', "'", '$HOME', '`x`', '\\', '*', 'é𝄞', '\n', '\t', '-n', '~', ';', '!', '#'],
  ]),
  line('a list of other things than text', ['echo', 5, 1.5, true, null, ['a', 'b'], { a: 1 }]),
  line('a list with a NUL', ['echo', 'a\0b']),
  line('a line with a NUL', 'echo a\0b'),
  line('a list with an empty program', ['']),
  one('a line that no process can be given', async (bench) => ({
    ...(await bench.shell(`: ${'x'.repeat(200_000)}`)),
    header: 'stock workers lose characters of it',
  })),
  one('an empty list', (bench) => bench.shell([]), {
    why: 'ours refuses it, the stock worker stumbles over it after the header',
    ours: { failure: true, rc: null, header: '' },
    stock: { failure: true, rc: null, header: expect.stringContaining('argv: []') as unknown as string },
  }),
  line('no command', null),
  line('a number for a command', 5),
  line('arguments from the future', 'echo a', { frob: 1 }),
];

const output: readonly Case[] = [
  line('much', 'seq 100000 | tee sum | cksum; cat sum'),
  line('much to both streams', 'seq 30000; seq 30000 >&2'),
  line('no newline at the end', 'printf abc; printf err >&2; exit 2'),
  line('empty lines', 'printf "\\n\\na\\n\\n"; printf "\\n" >&2'),
  line('carriage returns', 'printf "1%%\\r2%%\\r\\nend\\r"'),
  line('what terminals obey', 'printf "a\\033[2Jb\\033[1;2Hc\\b\\bd\\033[31mred\\033[0m\\033[uz"'),
  line(
    'bytes that are no UTF-8, and characters that are cut',
    'printf "caf\\351 \\303\\251 \\360\\237\\230\\200 \\360\\237 end"',
  ),
  line('NUL', 'printf "a\\0b"'),
  line('line breaks of other kinds', 'printf "a\\302\\205b\\342\\200\\250c\\013d\\014e"'),
  line('a line of 20,000 characters', 'head -c 20000 /dev/zero | tr "\\0" x; echo; echo end'),
  line('stdout not wanted', 'echo a; echo b >&2', { want_stdout: 0 }),
  line('stderr not wanted', 'echo a; echo b >&2', { want_stderr: false }),
  line('by name', 'echo a > /dev/stdout; echo b > /dev/stderr; echo c > /proc/self/fd/1; seq 2 | tee /dev/stderr'),
  line('into pipes', 'test -p /dev/stdout && test -p /dev/stderr && echo pipes'),
  line('of a grandchild that goes on', '{ sleep 0.5; echo late; } & echo early'),
  line('closed by a grandchild that goes on', 'sleep 30 >/dev/null 2>&1 & echo early'),
  line(
    'to a terminal',
    'test -t 1 && echo tty; echo x',
    { usePTY: true },
    {
      why: 'ours has no pseudo-terminals, and says so',
      ours: {
        rc: 0,
        stdout: 'x\n',
        header: expect.stringMatching(/note: .*no pseudo-terminals[^]* using PTY: False/) as unknown as string,
      },
      stock: { rc: 0, stdout: 'tty\nx\n', header: expect.stringContaining('using PTY: True') as unknown as string },
    },
  ),
  line(
    'to a terminal or not',
    'true',
    { usePTY: null },
    {
      why: 'the stock worker fails without a reason; nil means no',
      ours: { rc: 0, failure: false },
      stock: { rc: null, failure: true },
    },
  ),
];

const input: readonly Case[] = [
  line('nothing', 'cat; echo end'),
  line('a text', 'cat; echo "|"', { initial_stdin: 'é\n\0x' }),
  line('an empty text', 'cat; echo "|"', { initial_stdin: '' }),
  line('much', 'wc -c', { initial_stdin: 'x'.repeat(300_000) }),
  line('much that is not read', 'exit 3', { initial_stdin: 'x'.repeat(300_000) }),
  line('by name', 'cat /dev/stdin', { initial_stdin: 'x\n' }),
  line(
    'by name, twice',
    'cat /dev/stdin; cat /proc/self/fd/0',
    { initial_stdin: 'x\n' },
    {
      why: 'ours is a file, which begins anew for whoever opens it: a FIFO that nobody writes to any more could not be opened',
      ours: { rc: 0, stdout: 'x\nx\n' },
      stock: { rc: 0, stdout: 'x\n' },
    },
  ),
];

const surroundings: readonly Case[] = [
  line('null and empty', 'echo "${HOME-none}|${A-none}|${B-none}"', { env: { HOME: null, A: '', B: null } }),
  line('values from the worker', 'echo "$A|$B|$C|$PWD"', { env: { A: 'x${NONE}y$NONE', B: '${LANG}', C: ['1', '2'] } }),
  line('odd values', 'env | grep -A1 ODD', { env: { ODD: 'a b"\'\\ é\n=x' } }),
  line('a number', 'true', { env: { A: 5 } }),
  line('a list with null', 'true', { env: { A: ['a', null] } }),
  line(
    'a name with =',
    'true',
    { env: { 'A=B': 'c' } },
    {
      why: 'ours refuses it, the stock worker fails to start it',
      ours: { rc: null, failure: true },
      stock: { rc: 1, failure: false },
    },
  ),
  line(
    'PYTHONPATH',
    'echo $PYTHONPATH',
    { env: { PYTHONPATH: '/x' } },
    {
      why: "the stock worker leaves an empty entry where it has none itself: Python's current folder",
      ours: { rc: 0, stdout: '/x\n' },
      stock: { rc: 0, stdout: '/x:\n' },
    },
  ),
  one('shown in the header', async (bench) => {
    const { header, ...seen } = await bench.shell('true', { logEnviron: true, env: { ZED: 'z y' } });
    return { ...seen, header: header.replace(/^ {2}(?!PWD|ZED).*\n/gm, '') };
  }),
  line(
    'signals, group and umask',
    'umask; ps -o pgid= -p $$ | tr -d " " | grep -qx $$ && echo leader; grep -E "Sig(Blk|Ign)" /proc/self/status',
  ),
  one('a folder that is missing', (bench) => bench.shell('pwd', { workdir: bench.at('x/y') })),
  one('a folder with odd characters', (bench) => bench.shell('pwd', { workdir: bench.at(' é"\' $x\\') })),
  one('a folder that is a link', (bench) => {
    mkdirSync(bench.at('d'));
    symlinkSync('d', bench.at('l'));
    return bench.shell('pwd; pwd -P', { workdir: bench.at('l') });
  }),
  one('a folder that is a file', (bench) => {
    bench.file('f');
    return bench.shell('pwd', { workdir: bench.at('f') });
  }),
  one('a folder below a file', (bench) => {
    bench.file('f');
    return bench.shell('pwd', { workdir: bench.at('f/g') });
  }),
  one('a folder that is a link to nothing', (bench) => {
    symlinkSync('nope', bench.at('l'));
    return bench.shell('pwd', { workdir: bench.at('l') });
  }),
  line('no folder', 'true', { workdir: null }),
];

const programs: readonly Case[] = [
  line('one that is not there', ['no-such-program-here']),
  line('one that is not in the folder', ['./x']),
  one('one that the shell does not find', async (bench) => {
    const { stderr, ...seen } = await bench.shell('no-such-program-here');
    return { ...seen, stderr: stderr.replace(/^.*?: (\d+: )?/, '') };
  }),
  one('one that is not executable', (bench) => {
    bench.file('f', 'echo hi');
    return bench.shell([bench.at('f')]);
  }),
  one('one with an interpreter that is not there', (bench) => {
    bench.file('f', '#!/no/such\n', 0o755);
    return bench.shell([bench.at('f')]);
  }),
  one('a folder', (bench) => bench.shell([bench.at()])),
  one('one in the working directory', (bench) => {
    bench.file('f', '#!/bin/sh\necho "hi $0"', 0o755);
    return bench.shell(['./f']);
  }),
  one("one on the command's own path", (bench) => {
    bench.file('bin/mine', '#!/bin/sh\necho hi', 0o755);
    return bench.shell(['mine'], { env: { PATH: `${bench.at('bin')}:\${PATH}` } });
  }),
  one(
    'a script without an interpreter',
    (bench) => {
      bench.file('f', 'echo hi', 0o755);
      return bench.shell([bench.at('f')]);
    },
    {
      why: 'ours leaves it to execvp of the C library, which takes the shell, as POSIX has it',
      ours: { rc: 0, stdout: 'hi\n' },
      stock: { rc: 1, stdout: '' },
    },
  ),
];

const ends: readonly Case[] = [
  line('silent for too long', 'echo a; sleep 60', { timeout: 1 }),
  line('silent for less than a second', 'echo a; sleep 60', { timeout: 0.5 }),
  line('never silent for long', 'for i in 1 2 3 4; do echo $i; sleep 0.3; done', { timeout: 1 }),
  line('limits of 0', 'sleep 0.1; echo a', { timeout: 0, maxTime: 0 }),
  one('too long in all', async (bench) => ({
    ...(await bench.shell('while true; do echo x; sleep 0.2; done', { maxTime: 1 })),
    stdout: 'as many lines as there was time for',
  })),
  line('too many lines', 'seq 3; sleep 60', { max_lines: 2 }),
  line('too many lines of errors', 'seq 3 >&2; sleep 60', { max_lines: 2 }),
  interrupted('interrupted', 'echo go; sleep 60'),
  interrupted('interrupted by TERM', 'echo go; sleep 60', { interruptSignal: 'TERM' }),
  interrupted(
    'interrupted by INT, with a status of its own',
    ['sh', '-c', 'trap "exit 7" INT; echo go; while :; do sleep 0.1; done'],
    { interruptSignal: 'INT' },
  ),
  interrupted(
    'interrupted, asked first, ends well',
    // Some shells say that their `sleep` was terminated, if one ran at that moment.
    'exec 2>/dev/null; trap "echo bye; exit 0" TERM; echo go; while :; do sleep 0.1; done',
    { sigtermTime: 5 },
  ),
  interrupted('interrupted, asked first, deaf', 'trap "" TERM; echo go; sleep 60', { sigtermTime: 0.5 }),
  one(
    'interrupted by TERM, deaf',
    (bench) => bench.shell('trap "" TERM; echo go; sleep 60', { interruptSignal: 'TERM' }, 'go'),
    {
      why: 'ours sends KILL after five seconds, the stock worker leaves it running and takes it for dead',
      ours: { rc: -1, failure: false, header: expect.stringContaining('killed by signal 9') as unknown as string },
      stock: { rc: -1, failure: true, header: expect.stringContaining('using fake rc=-1') as unknown as string },
    },
  ),
  interrupted('interrupted, with a grandchild', 'sleep 60 & echo go; wait'),
  interrupted(
    'interrupted, with a grandchild in another session that holds its output',
    'setsid sleep 4 & echo go; wait',
  ),
  line(
    'a signal that there is not',
    'true',
    { interruptSignal: 'NOPE' },
    {
      why: 'ours refuses it at once, the stock worker only fails to interrupt it',
      ours: { rc: null, failure: true },
      stock: { rc: 0, failure: false },
    },
  ),
];

const logFiles: readonly Case[] = [
  line('that it writes', 'echo one > l; printf two >> l', { logfiles: { l: 'l' } }),
  line('that is not there', 'true', { logfiles: { l: 'none/l' } }),
  one('that was there', (bench) => {
    bench.file('l', 'old\n');
    return bench.shell('true', { logfiles: { l: 'l' } });
  }),
  one('that it adds to', (bench) => {
    bench.file('l', 'old\n');
    return bench.shell('echo new >> l', { logfiles: { l: 'l' } });
  }),
];

const uploads: readonly Case[] = [
  one('a file', (bench) => {
    bench.file('f', 'a\0\x7f\r\n');
    return bench.upload('f', { keepstamp: true });
  }),
  one('an empty file', (bench) => {
    bench.file('f', '');
    return bench.upload('f');
  }),
  one('a file with an odd name', (bench) => {
    bench.file(' é"\'\n$x');
    return bench.upload(' é"\'\n$x');
  }),
  one('a link to a file', (bench) => {
    bench.file('f');
    symlinkSync('f', bench.at('l'));
    return bench.upload('l');
  }),
  one('what is not there', (bench) => bench.upload('gone')),
  one('what is not there, with its times', (bench) => bench.upload('gone', { keepstamp: true })),
  one('a link to nothing', (bench) => {
    symlinkSync('nope', bench.at('l'));
    return bench.upload('l');
  }),
  one('what is below a file', (bench) => {
    bench.file('f');
    return bench.upload('f/g');
  }),
  one('a folder', (bench) => bench.upload('')),
  one('a file that is too large', (bench) => {
    bench.file('f', 'x'.repeat(2500));
    return bench.upload('f', { maxsize: 1500 });
  }),
  one(
    'a file as large as may be',
    (bench) => {
      bench.file('f', 'x'.repeat(1500));
      return bench.upload('f', { maxsize: 1500 });
    },
    {
      why: 'the stock worker takes it for one that is too large',
      ours: { rc: 0, stderr: '' },
      stock: { rc: 1, stderr: expect.stringContaining('Maximum filesize reached') as unknown as string },
    },
  ),
  one('a folder as such', (bench) => {
    bench.file('d/ é');
    return bench.uploadDirectory('d');
  }),
  one('a folder with a link to nothing', (bench) => {
    mkdirSync(bench.at('d'));
    symlinkSync('nope', bench.at('d/l'));
    return bench.uploadDirectory('d', { compress: 'gz' });
  }),
  one('a folder that is not there', (bench) => bench.uploadDirectory('gone')),
  one('a folder that is too large', (bench) => {
    bench.file('d/f', 'x'.repeat(30_000));
    return bench.uploadDirectory('d', { maxsize: 1500 });
  }),
  one(
    'a folder that is a file',
    (bench) => {
      bench.file('f');
      return bench.uploadDirectory('f');
    },
    {
      why: 'the stock worker sends an archive that has the file for its root, which nobody can unpack',
      ours: { rc: 1, also: '' },
      stock: { rc: 0, also: 'write unpack' },
    },
  ),
  one('a folder, compressed in a way that there is not', (bench) => bench.uploadDirectory('', { compress: 'zip' }), {
    why: 'the stock worker sends it without compression, and whoever unpacks it does not know',
    ours: { rc: null, failure: true },
    stock: { rc: 0, failure: false },
  }),
];

/** A case with the resulting files. */
const downloaded = async (
  bench: Bench,
  path: string,
  content: string,
  args?: Record<string, unknown>,
): Promise<Seen> => {
  const seen = await bench.download(path, content, args);
  const target = statSync(bench.at(path), { throwIfNoEntry: false });
  const there = target?.isFile()
    ? { mode: target.mode & 0o777, content: readFileSync(bench.at(path), 'latin1') }
    : null;
  return { ...seen, also: [seen.also, there, readdirSync(bench.at()).length] };
};

const downloads: readonly Case[] = [
  one('a file', (bench) => downloaded(bench, 'f', 'x\0\xff')),
  one('an empty file', (bench) => downloaded(bench, 'f', '')),
  one('a file with a mode', (bench) => downloaded(bench, 'f', 'x', { mode: 0o750 })),
  one('into folders that are not there', (bench) => downloaded(bench, 'x/y/f', 'x')),
  one('a file with an odd name', (bench) => downloaded(bench, ' é"\'\n$x', 'x')),
  one('in the place of another', (bench) => {
    bench.file('f', 'a longer one', 0o640);
    return downloaded(bench, 'f', 'x');
  }),
  one('in the place of a folder', (bench) => {
    mkdirSync(bench.at('d'));
    return bench.download('d', 'x');
  }),
  one('below a file', (bench) => {
    bench.file('f');
    return bench.download('f/g', 'x');
  }),
  one('a file that is too large', (bench) => downloaded(bench, 'f', 'x'.repeat(2500), { maxsize: 1500 })),
  one('a file as large as may be', (bench) => downloaded(bench, 'f', 'x'.repeat(1500), { maxsize: 1500 }), {
    why: 'the stock worker takes it for one that is too large',
    ours: { rc: 0, stderr: '' },
    stock: { rc: 1, stderr: expect.stringContaining('Maximum filesize reached') as unknown as string },
  }),
];

const trees: readonly Case[] = [
  one('mkdir', (bench) => bench.run('mkdir', { paths: [bench.at('a/b'), bench.at(' é"')] })),
  one('mkdir of what is there', (bench) => bench.run('mkdir', { paths: [bench.at()] })),
  one('mkdir of nothing', (bench) => bench.run('mkdir', { paths: [] })),
  one('mkdir of a file', (bench) => {
    bench.file('f');
    return bench.run('mkdir', { paths: [bench.at('f')] });
  }),
  one('mkdir below a file', (bench) => {
    bench.file('f');
    return bench.run('mkdir', { paths: [bench.at('f/g')] });
  }),
  one('rmdir', (bench) => {
    bench.file('d/e/f');
    return bench.run('rmdir', { paths: [bench.at('d')], ...TREE });
  }),
  one('rmdir of an odd name', (bench) => {
    bench.file(' é"\'$x/f');
    return bench.run('rmdir', { paths: [bench.at(' é"\'$x')], ...TREE });
  }),
  one('rmdir of what is not there', (bench) => bench.run('rmdir', { paths: [bench.at('gone')], ...TREE })),
  one('rmdir of a file', (bench) => {
    bench.file('f');
    return bench.run('rmdir', { paths: [bench.at('f')], ...TREE });
  }),
  one('cpdir', (bench) => {
    bench.file('d/f');
    return bench.run('cpdir', { from_path: bench.at('d'), to_path: bench.at('x/y'), ...TREE });
  }),
  one('cpdir to what is there', (bench) => {
    bench.file('d/f');
    mkdirSync(bench.at('e'));
    return bench.run('cpdir', { from_path: bench.at('d'), to_path: bench.at('e'), ...TREE });
  }),
  one('cpdir of what is not there', (bench) =>
    bench.run('cpdir', { from_path: bench.at('gone'), to_path: bench.at('x'), ...TREE }),
  ),
  one('cpdir of a file', (bench) => {
    bench.file('f');
    return bench.run('cpdir', { from_path: bench.at('f'), to_path: bench.at('x'), ...TREE });
  }),
  one('stat', (bench) => {
    bench.file('f');
    return bench.onPath('stat', 'f');
  }),
  one('stat of what is not there', (bench) => bench.onPath('stat', 'gone')),
  one('stat of a link to nothing', (bench) => {
    symlinkSync('nope', bench.at('l'));
    return bench.onPath('stat', 'l');
  }),
  one('stat below a file', (bench) => {
    bench.file('f');
    return bench.onPath('stat', 'f/g');
  }),
  one('listdir', (bench) => {
    bench.file('.h');
    bench.file(' é');
    return bench.onPath('listdir', '');
  }),
  one('listdir of what is not there', (bench) => bench.onPath('listdir', 'gone')),
  one('listdir of a file', (bench) => {
    bench.file('f');
    return bench.onPath('listdir', 'f');
  }),
  one('rmfile', (bench) => {
    bench.file('f');
    symlinkSync('f', bench.at('l'));
    return bench.onPath('rmfile', 'l').then((seen) => ({ ...seen, also: readdirSync(bench.at()) }));
  }),
  one('rmfile of what is not there', (bench) => bench.onPath('rmfile', 'gone')),
  one('rmfile of a folder', (bench) => {
    mkdirSync(bench.at('d'));
    return bench.onPath('rmfile', 'd');
  }),
];

/** A case in the same folder for every pattern. */
const globbed = (pattern: string, differs?: Case['differs']): Case =>
  one(
    pattern,
    (bench) => {
      for (const name of ['a1', 'ab', 'a]', 'a[', 'b.x', '.c.x', 's/t/d.x', 's/.h/e.x', 'p{1}+']) bench.file(name);
      symlinkSync('nope', bench.at('dangling'));
      symlinkSync('s', bench.at('link'));
      return bench.onPath('glob', pattern);
    },
    differs,
  );

const globs: readonly Case[] = [
  ...['*', '.*', '*.x', '*/*.x', 's/**', 's/**/d.x', 'a?', 'a[!0-9]', 'a[]1]', 'a[', 'p{1}*', 'b.x', 'none', 'none/*'],
  ...['*/', 'b.x/', 's/', 'link/t/*', 'd*g'],
].map((pattern) => globbed(pattern));
const linked = globbed('**/d.x', {
  why: 'ours does not follow links below **, so that links in a circle end',
  ours: { rc: 0, files: ['/case/s/t/d.x'] },
  stock: { rc: 0, files: ['/case/link/t/d.x', '/case/s/t/d.x'] },
});

const TABLE: Readonly<Record<string, readonly Case[]>> = {
  'a command': lines,
  'its output': output,
  'its input': input,
  'what is around it': surroundings,
  'its program': programs,
  'its end': ends,
  'a watched log file': logFiles,
  'an upload': uploads,
  'a download': downloads,
  'files and folders': trees,
  'a glob': [...globs, linked],
};

(provisionStockWorker() ? describe : describe.skip)('ours and buildbot-worker 4.3.0 say the same of', () => {
  const seen = new Map<Case, { readonly ours: Seen; readonly stock: Seen }>();
  const folders: string[] = [];
  const stops: (() => Promise<unknown>)[] = [];

  async function attached(
    start: (master: TestMaster, basedir: string) => { stop(): Promise<void> },
  ): Promise<[Attached, string]> {
    const master = await TestMaster.start();
    const basedir = mkdtempSync(join(tmpdir(), 'millrace-side-'));
    folders.push(basedir);
    const worker = start(master, basedir);
    stops.push(async () => {
      await worker.stop();
      await master.stop();
    });
    return [await master.worker(), basedir];
  }

  beforeAll(async () => {
    const [[ours, oursAt], [stock, stockAt]] = await Promise.all([
      attached((master, basedir) => WorkerProcess.start(master.url, basedir, { LANG: 'C.UTF-8' })),
      attached(({ port, password }, basedir) => StockWorker.start({ port, name: 'w1', password, basedir })),
    ]);
    // The longest first.
    const waiting = Object.values(TABLE)
      .flat()
      .toSorted((a, b) => Number(ends.includes(b)) - Number(ends.includes(a)));
    let count = 0;
    const work = async (): Promise<void> => {
      for (let next: Case | undefined; (next = waiting.shift()) !== undefined;) {
        const folder = `case ${count++}`;
        const both = [new Bench(ours, join(oursAt, folder)), new Bench(stock, join(stockAt, folder))] as const;
        const [a, b] = await Promise.all(both.map(next.run));
        seen.set(next, { ours: a!, stock: b! });
      }
    };
    await Promise.all(Array.from({ length: AT_A_TIME }, work));
  });

  afterAll(async () => {
    await Promise.all(stops.map((stop) => stop()));
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  });

  describe.each(Object.entries(TABLE))('%s:', (_group, cases) => {
    it.each(cases.map((each): [string, Case] => [each.what, each]))('%s', (_what, each) => {
      const { ours, stock } = seen.get(each)!;
      if (each.differs === undefined) return expect(ours).toEqual(stock);
      // A case without a difference any more has to be removed from the list.
      expect(ours).not.toEqual(stock);
      expect(ours).toMatchObject(each.differs.ours);
      expect(stock).toMatchObject(each.differs.stock);
    });
  });
});
