import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { requireOfMachine } from '@millrace/testing';
import type { CommandSink } from '@millrace/worker-protocol';
import { TestMaster } from './test-master.js';
import { isAlive, until, WorkerProcess } from './worker-process.js';

const MAIN = join(import.meta.dirname, '../dist/main.js');

jest.setTimeout(60_000);

let master: TestMaster;
let basedir: string;
let workers: WorkerProcess[];

beforeEach(async () => {
  basedir = mkdtempSync(join(tmpdir(), 'millrace-worker-'));
  master = await TestMaster.start();
  workers = [];
});

afterEach(async () => {
  await Promise.all(workers.map((worker) => worker.stop('SIGKILL')));
  await master.stop();
  rmSync(basedir, { recursive: true, force: true });
});

function start(url = master.url, env: Record<string, string> = {}, starter: string[] = []): WorkerProcess {
  const worker = WorkerProcess.start(url, basedir, env, [], starter);
  workers.push(worker);
  return worker;
}

/** Starts `sleep` on a worker and returns the process id of the shell and that of the sleep. */
async function sleeping(attached: Awaited<ReturnType<TestMaster['worker']>>, id: string) {
  const pids: number[] = [];
  const command = attached.shell(
    join(basedir, 'b'),
    'sleep 300 & echo $$ $!; wait',
    {},
    {
      updates: (batch) => {
        for (const update of batch)
          if (update.kind === 'stdout') pids.push(...update.text.trim().split(' ').map(Number));
      },
    },
    id,
  );
  const ended = command.then(
    () => 'ended',
    (error: { code: string }) => error.code,
  );
  await until('the command runs', () => pids.length === 2);
  return { pids, ended };
}

describe('the link to the master', () => {
  it('comes back after a lost connection, still knows its commands and lets a new master kill them', async () => {
    start();
    const first = await master.worker();
    const { pids, ended } = await sleeping(first, 'orphan');
    first.socket.terminate();
    expect(await ended).toBe('worker-lost');
    const second = await master.worker();
    expect(second.session.info.runningCommands).toEqual(['orphan']);
    expect(pids.every(isAlive)).toBe(true);
    await second.session.interrupt('orphan', 'nobody waits for it');
    await until('the orphan is gone', () => !pids.some(isAlive));
    expect((await second.shell(join(basedir, 'b'), 'echo on')).stdout).toBe('on\n');
  });

  it('retries with a wrong password, and reports it without showing it', async () => {
    master.password = 'another';
    const worker = start();
    await until('it was refused twice', () => master.refusals >= 2);
    master.password = 's3cret';
    await expect((await master.worker()).session.ping()).resolves.toBeUndefined();
    expect(worker.log).toContain('the master refused our name or password');
    expect(worker.log).not.toContain('s3cret');
  });

  it.each([
    ['the password is wrong', (isRefusing: boolean) => (master.password = isRefusing ? 'another' : 's3cret')],
    ['another worker has its name', (isRefusing: boolean) => (master.isNameTaken = isRefusing)],
  ])('waits longer after every refusal because %s, and begins anew once it is let in', async (_why, refuse) => {
    refuse(true);
    const worker = start();
    const delays = (): number[] => [...worker.log.matchAll(/delayMs=(\d+)/g)].map(([, delayMs]) => Number(delayMs));
    await until('it was refused', () => delays().length >= 5);
    expect(delays()[0]).toBeLessThan(600);
    expect(delays()[4]).toBeGreaterThan(1000);
    refuse(false);
    const { socket } = await master.worker();
    const before = delays().length;
    socket.terminate();
    await until('it comes back', () => delays().length > before);
    expect(delays()[before]).toBeLessThan(600);
  });

  it('reports that another worker has its name', async () => {
    master.isNameTaken = true;
    const worker = start();
    await until('it was refused', () => worker.log.includes('waiting'));
    expect(worker.log).toMatch(/ERROR another worker of our name is connected .*name=w1/);
    expect(worker.log).not.toContain('connection ended');
  });

  it('waits for a master that is not there yet', async () => {
    const { port, url } = master;
    await master.stop();
    const worker = start(url);
    await until('it has tried', () => worker.log.includes('ECONNREFUSED'));
    master = await TestMaster.start(port);
    await expect((await master.worker()).session.ping()).resolves.toBeUndefined();
  });
});

describe('the worker process', () => {
  it.each([
    ['--token', ['--token', 's3cret'], {}],
    ['--token=', ['--token=s3cret'], {}],
    ['MILLRACE_WORKER_TOKEN', [], { MILLRACE_WORKER_TOKEN: 's3cret' }],
    ['MILLRACE_WORKER_PASSWORD', [], { MILLRACE_WORKER_PASSWORD: 's3cret' }],
    ['--token-file', ['--token-file', 'TOKEN_FILE'], {}],
    ['MILLRACE_WORKER_TOKEN_FILE', [], { MILLRACE_WORKER_TOKEN_FILE: 'TOKEN_FILE', MILLRACE_WORKER_PASSWORD: '' }],
  ])(
    'takes a token from %s and keeps it from its commands, also from those that look at its process',
    async (_name, args, env) => {
      const file = join(basedir, 'token');
      writeFileSync(file, 's3cret\n', { mode: 0o600 });
      const named = (text: string): string => (text === 'TOKEN_FILE' ? file : text);
      const worker = WorkerProcess.start(
        master.url,
        basedir,
        {
          MILLRACE_WORKER_PASSWORD: 'another',
          MILLRACE_SOMETHING: 'else',
          ...Object.fromEntries(Object.entries(env).map(([name, text]) => [name, named(text)])),
        },
        args.map(named),
      );
      workers.push(worker);
      const attached = await master.worker();
      expect(Object.keys(attached.session.info.environ).filter((key) => key.startsWith('MILLRACE_'))).toEqual([]);
      const { stdout } = await attached.shell(
        join(basedir, 'b'),
        'env; for area in environ cmdline; do tr "\\0" "\\n" < /proc/$PPID/$area; done',
      );
      expect(stdout).not.toMatch(/s3cret|another/);
      // The script did read these areas.
      expect(stdout.match(/GREETING=hello/g)).toHaveLength(2);
      expect(stdout).toContain('--basedir\n');
      expect(worker.log).not.toMatch(/s3cret|another|can read/);
    },
  );

  it('warns when others can read the file with its token', async () => {
    const file = join(basedir, 'token');
    writeFileSync(file, 's3cret\n', { mode: 0o644 });
    const worker = WorkerProcess.start(master.url, basedir, {}, ['--token-file', file]);
    workers.push(worker);
    await master.worker();
    expect(worker.log).toContain('others can read the file with the secret: chmod 600');
  });

  it('does not write its journal through a link that somebody left', async () => {
    const target = join(basedir, 'precious');
    writeFileSync(target, 'precious');
    symlinkSync(target, join(basedir, 'running-commands.jsonl'));
    const worker = start();
    await worker.exited;
    expect(worker.child.exitCode).toBe(1);
    expect(worker.log).toContain('basedir-damaged');
    expect(readFileSync(target, 'utf8')).toBe('precious');
  });

  it.each([
    ['{"began":"x","leader":{"pid":1,"startTime":null}}'],
    ['{"began":"x","leader":{"pid":-1,"startTime":"0"}}'],
    ['{"began":"x","leader":{"pid":"1; rm","startTime":{}}}'],
    ['{"began":"x"}\nnull\n[]\n7\n{"worker":5}\nnonsense'],
  ])('kills nothing that no worker has written down: %j', async (lines) => {
    writeFileSync(join(basedir, 'running-commands.jsonl'), lines);
    const worker = start();
    await expect((await master.worker()).session.ping()).resolves.toBeUndefined();
    expect(worker.log).not.toContain('kill');
  });

  it.each(['SIGTERM', 'SIGINT'] as const)('ends on %s with everything that it runs', async (signal) => {
    const worker = start();
    const { pids, ended } = await sleeping(await master.worker(), 'c1');
    await worker.stop(signal);
    expect(worker.child.exitCode).toBe(0);
    expect(await ended).toMatch(/worker-lost|ended/);
    await until('its children are gone', () => !pids.some(isAlive));
  });

  it('ends when its master tells it to', async () => {
    const worker = start();
    const attached = await master.worker();
    const { pids } = await sleeping(attached, 'c1');
    await attached.session.shutdown();
    await worker.exited;
    expect(worker.child.exitCode).toBe(0);
    await until('its children are gone', () => !pids.some(isAlive));
  });

  it('kills at its start what a killed worker left running', async () => {
    const killed = start();
    const { pids } = await sleeping(await master.worker(), 'left');
    await killed.stop('SIGKILL');
    expect(pids.every(isAlive)).toBe(true);
    const next = start();
    await master.worker();
    await until('the leftovers are gone', () => !pids.some(isAlive));
    expect(next.log).toContain('killed a command that an earlier worker left running id=left');
  });

  it('leaves nothing running when an unexpected error ends it', async () => {
    const mine = "data:text/javascript,process.on('SIGUSR2',()=>{throw(new(Error)('unexpected'))})";
    const worker = start(master.url, { NODE_OPTIONS: `--import=${mine}` });
    const { pids } = await sleeping(await master.worker(), 'c1');
    await worker.stop('SIGUSR2');
    expect(worker.log).toContain('Error: unexpected');
    await until('its children are gone', () => !pids.some(isAlive));
  });

  it('runs commands although it cannot write its journal', async () => {
    const worker = start();
    const attached = await master.worker();
    const limit = (bytes: string) => spawnSync('prlimit', ['--pid', String(worker.pid), `--fsize=${bytes}:`]);
    expect(limit('1').status).toBe(0);
    expect(await attached.shell(basedir, 'echo a; exit 3')).toMatchObject({ rc: 3, failure: null, stdout: 'a\n' });
    await until('it says so', () => worker.log.includes('cannot write down which commands run reason="EFBIG'));
    limit('unlimited');
    const { pids } = await sleeping(attached, 'left');
    await worker.stop('SIGKILL');
    start();
    await master.worker();
    await until('the leftovers are gone', () => !pids.some(isAlive));
  });

  // Root without the right to signal other users' processes.
  const isRoot = process.getuid?.() === 0;
  (requireOfMachine(isRoot, 'root') ? it : it.skip)(
    'lives on with commands that it may not kill, and kills the others',
    async () => {
      const powerless = ['setpriv', '--bounding-set=-kill', '--inh-caps=-kill'];
      const other = ['setpriv', '--reuid=65534', '--clear-groups', 'sh', '-c', 'echo $$; exec sleep 300'];
      const foreign: number[] = [];
      const updates: CommandSink['updates'] = (batch) => {
        for (const update of batch) if (update.kind === 'stdout') foreign.push(Number(update.text));
      };
      try {
        let worker = start(master.url, {}, powerless);
        const first = await master.worker();
        const interrupted = first.shell(basedir, other, {}, { updates }, 'foreign');
        await until('it runs', () => foreign.length === 1);
        await first.session.interrupt('foreign', 'stop it');
        expect(await interrupted).toMatchObject({ rc: -1, failure: 'SIGKILL failed to kill the process' });
        const own = await sleeping(first, 'own');
        await worker.stop();
        expect(worker.child.exitCode).toBe(0);
        await until('what may be killed is gone', () => !own.pids.some(isAlive));

        worker = start(master.url, {}, powerless);
        const second = await master.worker();
        second.shell(basedir, other, {}, { updates }, 'foreign').catch(() => undefined);
        await until('it runs', () => foreign.length === 2);
        const left = await sleeping(second, 'left');
        await worker.stop('SIGKILL');
        worker = start(master.url, {}, powerless);
        await master.worker();
        await until('what may be killed is gone', () => !left.pids.some(isAlive));
        expect(worker.log).toContain('cannot kill a command that an earlier worker left running id=foreign');
        expect(foreign.every(isAlive)).toBe(true);
      } finally {
        for (const pid of foreign) process.kill(pid, 'SIGKILL');
      }
    },
  );

  it('does not share its base directory', async () => {
    const first = start();
    await master.worker();
    const second = start();
    await second.exited;
    expect(second.child.exitCode).toBe(1);
    expect(second.log).toContain(`worker process ${first.pid} uses the base directory`);
  });

  it.each([
    [
      ['--master', 'http://x', '--name', 'w', '--basedir', 'b'],
      "--master must be an address like ws://host:port, not 'http://x'",
    ],
    [
      ['--master', 'ws://x', '--name', 'a:b', '--basedir', 'b'],
      "--name must not be empty or contain a colon, not 'a:b'",
    ],
    [
      ['--master', 'ws://x', '--name', 'w', '--basedir', 'b'],
      'give a password or a token with --password-file, --token-file, --token, MILLRACE_WORKER_TOKEN or MILLRACE_WORKER_PASSWORD',
    ],
    [['--master', 'ws://x', '--name', 'w', '--basedir', 'b', '--password-file', '/nowhere'], 'ENOENT'],
    [['--master', 'ws://x', '--name', 'w', '--basedir', 'b', '--token-file', '/nowhere'], 'ENOENT'],
    [['--name', 'w'], '--master must be given'],
    [['relay', '--master', 'ws://x,y', '--name', 'r'], "--master must be an address like ws://host:port, not 'y'"],
    [['relay', '--master', 'ws://x', '--name', 'r'], '--listen must be an address like 0.0.0.0:9989'],
    [['relay', '--master', 'ws://x', '--name', 'r', '--listen', 'here'], "not 'here'"],
    [['--master', 'ws://x'], '--name must be given'],
    [['--master', 'ws://x', '--name', 'w'], 'give --basedir'],
    [['--master', 'ws://x', '--name', 'w', '--basedir', 'b', '--spool-mb', 'much'], '--spool-mb must be zero or more'],
  ])('says what is wrong with %j', (args, problem) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], {
      cwd: basedir,
      env: {},
      encoding: 'utf8',
    });
    expect(status).toBe(1);
    expect(stdout + stderr).toContain(problem);
  });
});

describe('a flood of output', () => {
  it('of 50 MB on one line arrives in continued lines, with bounded memory on both sides of a slow master', async () => {
    const worker = start();
    const attached = await master.worker();
    let characters = 0;
    let lines = 0;
    const ran = await attached.shell(
      join(basedir, 'b'),
      "head -c 50000000 /dev/zero | tr '\\0' x",
      {},
      {
        updates: async (batch) => {
          for (const update of batch) {
            if (update.kind !== 'stdout') continue;
            characters += update.text.replaceAll('\n', '').length;
            lines += update.text.split('\n').length - 1;
          }
          await new Promise((resolve) => setTimeout(resolve, 5));
        },
      },
    );
    expect(ran.rc).toBe(0);
    expect(characters).toBe(50_000_000);
    expect(lines).toBe(Math.ceil(50_000_000 / 1_048_576));
    expect(worker.peakMemoryMiB()).toBeLessThan(200);
  });

  it('that the master does not read in time pauses the command, and does not count as silence', async () => {
    const worker = start();
    const attached = await master.worker();
    let release: () => void = () => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    let taken = 0;
    const running = attached.shell(
      join(basedir, 'b'),
      'seq 1 20000000 | head -c 60000000',
      { timeout: 1 },
      {
        updates: async (batch) => {
          for (const update of batch) if (update.kind === 'stdout') taken += update.text.length;
          await released;
        },
      },
    );
    const startedAt = Date.now();
    await until('the time-out has long passed', () => Date.now() - startedAt > 2500);
    expect(taken).toBeLessThan(20_000_000);
    release();
    expect(await running).toMatchObject({ rc: 0, failureReason: null });
    expect(taken).toBeGreaterThanOrEqual(60_000_000);
    expect(worker.peakMemoryMiB()).toBeLessThan(250);
  });
});
