import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Result } from '@millrace/domain';
import { Cluster, type ClusterProcess, eventually, FakeWorker, freePort, requireOfMachine } from '@millrace/testing';
import { TestRepository } from './git-repository.js';
import { Api, type Build } from './resources.js';
import { CLI, FIXTURES, millrace, millraceSoon, type Stack, startStack } from './stacks.js';

const PROCESSES: readonly ClusterProcess[] = ['router', 'scheduler', 'engine', 'runner', 'ui', 'worker'];

describe('bad input', () => {
  let stack: Stack;
  let cluster: Cluster;
  let api: Api;
  let repository: TestRepository;
  let config: string;

  beforeAll(async () => {
    stack = await startStack('embedded');
    repository = new TestRepository(join(stack.folder, 'repository'));
    repository.commit('good');
    config = join(stack.folder, 'master.config.ts');
    copyFileSync(join(FIXTURES, 'first-light.config.ts'), config);
    cluster = await stack.start(config, { E2E_REPOSITORY: repository.url });
    api = new Api(cluster);
    await buildOf(repository.git('rev-parse', 'HEAD'));
  });
  afterAll(async () => {
    await cluster.stop();
    await stack.stop();
  });

  /** Returns the finished build of a revision. */
  const buildOf = (revision: string): Promise<Build> =>
    eventually(
      async () =>
        (await api.builds()).find((build) => build.complete && build.properties['revision']?.[0] === revision) ?? false,
      { timeoutMs: 30_000, what: `a build of ${revision}` },
    );
  const works = async (): Promise<void> => {
    const { requests } = await cluster.trigger({ scheduler: 'trigger', builders: ['true'] });
    await eventually(async () => (await api.request(requests[0]!.id)).results === Result.SUCCESS, {
      timeoutMs: 20_000,
      what: 'a trivial build',
    });
  };
  const pids = (): number[] => PROCESSES.flatMap((name) => cluster.pids(name));

  it('survives garbage on every port', async () => {
    const before = pids();
    const garbage = [
      randomBytes(100_000),
      Buffer.from('GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n'),
      Buffer.from(
        `POST /trigger HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"a":[}}}`,
      ),
      Buffer.from('GET /api/v2/builds?limit=%ff%fe&order=;DROP HTTP/1.1\r\nHost: x\r\n\r\n'),
      Buffer.alloc(0),
    ];
    for (const port of Object.values(cluster.ports)) {
      for (const bytes of garbage) {
        const socket = connect(port, '127.0.0.1').on('error', () => undefined);
        await once(socket, 'connect');
        socket.end(bytes);
        socket.resume();
        await eventually(() => socket.destroyed, { timeoutMs: 20_000, what: `the end of a connection to ${port}` });
      }
    }
    await works();
    expect(pids()).toEqual(before);
  });

  it('refuses a worker with a wrong password or an unknown name, and keeps the connected one', async () => {
    const url = `ws://127.0.0.1:${cluster.ports.workers}`;
    await expect(FakeWorker.connect({ url, name: 'local', password: 'wrong' })).rejects.toThrow(/401/);
    await expect(FakeWorker.connect({ url, name: 'stranger', password: 'x' })).rejects.toThrow(/401/);
    await works();
  });

  it('answers invalid triggers with their errors, and makes no builds', async () => {
    const count = async (): Promise<number> =>
      (await cluster.api<{ buildsets: unknown[] }>('/buildsets?limit=1000')).buildsets.length;
    const before = await count();
    for (const [body, message] of [
      [{}, /scheduler must be a string/],
      [{ scheduler: 'nope' }, /no scheduler 'nope'; there are: commits, force, try, trigger/],
      [{ scheduler: 'trigger', builders: ['check'] }, /does not start 'check'/],
      [{ scheduler: 'trigger', builders: [] }, /leave it out/],
      [{ scheduler: 'trigger', extra: 1 }, /extra should not exist/],
    ] as const) {
      await expect(cluster.trigger(body)).rejects.toThrow(message);
    }
    expect(await count()).toBe(before);
  });

  it('polls a repository that vanished again once it is back', async () => {
    const away = `${repository.folder}.away`;
    const before = cluster.output.length;
    renameSync(repository.folder, away);
    await eventually(() => cluster.output.slice(before).some((line) => line.includes('poll failed')), {
      what: 'a complaint about the poll',
    });
    renameSync(away, repository.folder);
    expect((await buildOf(repository.commit('good, back again'))).results).toBe(Result.SUCCESS);
  });

  it('builds a branch that was rewritten', async () => {
    repository.git('reset', '--quiet', '--hard', 'HEAD~1');
    const rewritten = repository.commit('good, but another past');
    expect((await buildOf(rewritten)).results).toBe(Result.SUCCESS);
  });

  it('accepts a commit with 10 MB of message and odd bytes in file names', async () => {
    writeFileSync(
      Buffer.concat([
        Buffer.from(`${repository.folder}/odd-`),
        Buffer.from([0xff, 0xfe, 0x0a, 0x22, 0xe2, 0x82]),
        Buffer.from('.txt'),
      ]),
      'x',
    );
    writeFileSync(join(repository.folder, 'smile-\u{1F600} "quoted"\t.txt'), 'x');
    const revision = repository.commit('good, and odd', `subject\n\n${'lorem ipsum '.repeat(875_000)}`);
    expect((await buildOf(revision)).results).toBe(Result.SUCCESS);
    const { changes } = await cluster.api<{ changes: { comments: string; files: string[]; revision: string }[] }>(
      '/changes?order=-changeid&limit=1',
    );
    expect(changes[0]!.revision).toBe(revision);
    expect(changes[0]!.comments).toMatch(/^subject\n[\s\S]*more characters are in the repository\]$/);
    expect(changes[0]!.files).toContain('smile-\u{1F600} "quoted"\t.txt');
    expect(changes[0]!.files).toHaveLength(3);
  });

  it('refuses a broken configuration on reconfig, lists every problem, and goes on with the old one', async () => {
    const good = readFileSync(config);
    copyFileSync(join(FIXTURES, 'broken.config.ts'), config);
    const answer = millrace(['reconfig', '--database', `sqlite:${join(stack.folder, 'millrace.sqlite')}`]);
    expect(answer.status).toBe(1);
    expect(answer.stdout).toMatch(/scheduler@.*refused/);
    expect(answer.stdout).toMatch(/engine@.*refused/);
    await works();
    writeFileSync(config, good);
    expect(millrace(['reconfig', '--database', `sqlite:${join(stack.folder, 'millrace.sqlite')}`]).status).toBe(0);
    await works();
  });

  it('goes back from a configuration that loads and is wrong, also when its engine is killed meanwhile', async () => {
    const database = ['--database', `sqlite:${join(stack.folder, 'millrace.sqlite')}`];
    const good = readFileSync(config, 'utf8');
    const result = async (): Promise<number | null> => {
      const { requests } = await cluster.trigger({ scheduler: 'trigger', builders: ['true'] });
      const complete = async () => (await api.request(requests[0]!.id)).complete;
      await eventually(complete, { timeoutMs: 120_000, what: 'a trivial build' });
      return (await api.request(requests[0]!.id)).results;
    };
    const revisions = async () => {
      const path = '/revisions?order=-revisionid&limit=1';
      return (await cluster.api<{ revisions: { fingerprint: string }[] }>(path)).revisions[0]!.fingerprint;
    };
    const before = await revisions();
    writeFileSync(config, good.replace(`command: ['true']`, `command: ['false']`));
    expect(millrace(['reconfig', ...database]).status).toBe(0);
    expect(await result()).toBe(Result.FAILURE);

    const reverting = millraceSoon(['config', 'revert', before.slice(0, 12), ...database]);
    const reverted = async () =>
      (await cluster.api<{ reverts: { masters: string[] }[] }>('/reverts')).reverts[0]?.masters ?? null;
    await eventually(async () => (await reverted()) !== null, {
      timeoutMs: 60_000,
      what: 'the command to be recorded',
    });
    cluster.signal('engine', 'SIGKILL');
    await reverting;
    const both = async () => (await reverted())?.length === 2;
    await eventually(both, { timeoutMs: 120_000, what: 'both masters to have the earlier revision' });
    expect(await result()).toBe(Result.SUCCESS);
    expect(millrace(['config', 'list', ...database]).stdout).toMatch(
      new RegExp(`asked to go back to ${before.slice(0, 12)} from .* It is in force on .*, .*\\.`),
    );

    writeFileSync(config, good);
    expect(millrace(['reconfig', ...database]).status).toBe(0);
    expect(await reverted()).toBeNull();
    await works();
  }, 400_000);
});

describe('the command line', () => {
  it('lists every problem of a broken configuration with its place', () => {
    const { status, stderr } = millrace(['check-config', join(FIXTURES, 'broken.config.ts')]);
    expect(status).toBe(1);
    expect(stderr).toMatch(/broken\.config\.ts:\d+: builders\[0\]\.workers/);
    for (const part of ["'nobody'", 'tagz', "'missing'", '"w1"']) expect(stderr).toContain(part);
  });

  it('names the port and the setting when a port is taken', async () => {
    const port = await freePort();
    const server = createServer().listen(port, '127.0.0.1');
    await once(server, 'listening');
    const { status, stderr } = millrace(['start', '--config', join(FIXTURES, 'broken.config.ts')], {
      MILLRACE_UI_PORT: String(port),
      MILLRACE_DATA: mkdtempSync(join(tmpdir(), 'millrace-port-')),
    });
    server.close();
    expect(status).toBe(1);
    expect(stderr).toContain(`port ${port} is taken: stop what uses it, or set MILLRACE_UI_PORT to another port`);
  });

  it('stops on Ctrl-C also before it is ready', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-early-'));
    const env: Record<string, string> = { MILLRACE_DATA: folder, E2E_REPOSITORY: folder };
    for (const name of ['UI', 'SCHEDULER', 'ENGINE', 'ROUTER', 'TRIGGER', 'WORKER'])
      env[`MILLRACE_${name}_PORT`] = String(await freePort());
    const child = spawn(process.execPath, [CLI, 'start', '--config', join(FIXTURES, 'first-light.config.ts')], {
      env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      const said = text(child.stdout);
      await once(child.stdout, 'data');
      const exited = once(child, 'exit');
      child.kill('SIGINT');
      // A process that does not stop fails the test. It must not be left behind.
      const patience = setTimeout(() => child.kill('SIGKILL'), 30_000);
      expect(await exited).toEqual([0, null]);
      clearTimeout(patience);
      expect(await said).not.toContain('Millrace is up');
    } finally {
      child.kill('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('refuses malformed settings, all of them at once', () => {
    const { status, stderr } = millrace(['start', '--config', 'x'], { MILLRACE_UI_PORT: 'abc' });
    expect(status).toBe(1);
    expect(stderr).toContain("MILLRACE_UI_PORT is 'abc'");
  });

  it('prints its help', () => {
    const { status, stdout } = millrace(['--help']);
    expect(status).toBe(0);
    for (const command of ['start', 'check-config', 'reconfig', 'db', 'trigger']) expect(stdout).toContain(command);
  });
});

const canMount = requireOfMachine(process.getuid?.() === 0, 'root, to mount the small disk that they fill');
(canMount ? describe : describe.skip)('a full disk', () => {
  it('loses nothing that was accepted, refuses what cannot be committed, and goes on when there is room again', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-full-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m,mode=700', 'tmpfs', folder]);
    let cluster: Cluster | null = null;
    try {
      const repository = new TestRepository(join(folder, 'repository'));
      repository.commit('good');
      cluster = await Cluster.start({
        config: join(FIXTURES, 'first-light.config.ts'),
        folder,
        env: { E2E_REPOSITORY: repository.url },
      });
      const api = new Api(cluster);
      const accepted: number[] = [];
      const refusals: unknown[] = [];
      const trigger = async (): Promise<boolean> => {
        try {
          accepted.push(
            (
              await cluster!.trigger({
                scheduler: 'trigger',
                builders: ['true'],
                properties: { filler: 'x'.repeat(60_000) },
              })
            ).requests[0]!.id,
          );
          return true;
        } catch (error) {
          refusals.push(error);
          return false;
        }
      };
      expect(await trigger()).toBe(true);
      const ballast = join(folder, 'ballast');
      mkdirSync(ballast);
      for (let i = 0; i < 400; i++) {
        try {
          writeFileSync(join(ballast, String(i)), randomBytes(1 << 20));
        } catch {
          break;
        }
      }
      await eventually(async () => !(await trigger()), { timeoutMs: 60_000, what: 'a refusal on a full disk' });
      rmSync(ballast, { recursive: true });
      await eventually(trigger, { timeoutMs: 30_000, what: 'an accepted trigger once there is room' });
      await eventually(
        async () => {
          for (const id of accepted) if ((await api.request(id)).results !== Result.SUCCESS) return false;
          return true;
        },
        { timeoutMs: 60_000, what: 'every accepted request built' },
      );
      for (const refusal of refusals) expect(refusal).toMatchObject({ fields: { status: 503 } });
    } finally {
      await cluster?.stop();
      execFileSync('umount', ['-l', folder]);
    }
  }, 180_000);
});
