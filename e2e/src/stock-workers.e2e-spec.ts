import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Result, resultName } from '@millrace/domain';
import {
  Balancer,
  type Cluster,
  eventually,
  type Extra,
  StockDaemon,
  type StockKind,
  stockKinds,
} from '@millrace/testing';
import { TestRepository } from './git-repository.js';
import { processesBelow } from './processes.js';
import { Api, type Build } from './resources.js';
import { FIXTURES, millraceSoon, type Stack, startStack } from './stacks.js';

const PASSWORD = 'of every worker';
const kinds = stockKinds();

/** Every test uses all kinds at once; expectations are by kind. */
(kinds.length > 0 ? describe : describe.skip)('unmodified Buildbot workers', () => {
  let stack: Stack;
  let cluster: Cluster;
  let second: Extra;
  let balancer: Balancer;
  let api: Api;
  let revision: string;
  const daemons = new Map<string, StockDaemon>();

  beforeAll(async () => {
    stack = await startStack('embedded');
    const repository = new TestRepository(join(stack.folder, 'repository'));
    revision = repository.commit('good');
    cluster = await stack.start(join(FIXTURES, 'stock.config.ts'), {
      E2E_REPOSITORY: repository.url,
      E2E_KINDS: kinds.map(({ name }) => name).join(','),
      MILLRACE_WORKER_PASSWORD: PASSWORD,
    });
    api = new Api(cluster);
    second = await cluster.add('engine', 'engine-2');
    balancer = await Balancer.start([cluster.ports.workers, second.workerPort!]);
    await ofEach(async (kind) => {
      const basedir = join(stack.folder, kind.name);
      const options = kind.protocol === 'pb' ? ['--allow-shutdown=file'] : [];
      const daemon = await StockDaemon.start({ ...kind, port: balancer.port, password: PASSWORD, basedir, options });
      daemons.set(kind.name, daemon);
    });
  }, 180_000);
  afterAll(async () => {
    await Promise.all([...daemons.values()].map((daemon) => daemon.stop()));
    await balancer?.stop();
    await cluster?.stop();
    await stack?.stop();
  });

  async function ofEach<T>(of: (kind: StockKind) => Promise<T>): Promise<Record<string, T>> {
    return Object.fromEntries(await Promise.all(kinds.map(async (kind) => [kind.name, await of(kind)] as const)));
  }

  const forEach = <T>(of: (kind: StockKind) => T): Record<string, T> =>
    Object.fromEntries(kinds.map((kind) => [kind.name, of(kind)]));

  /**
   * Requests a build on the worker of that kind.
   * @returns the build request
   */
  async function requested(what: string, kind: StockKind): Promise<number> {
    const { requests } = await cluster.trigger({ scheduler: 'trigger', builders: [`${what}-${kind.name}`] });
    return requests[0]!.id;
  }

  /** Returns the newest attempt, once its step prints. */
  async function begun(request: number, step: string): Promise<Build> {
    return eventually(
      async () => {
        const build = (await api.attempts(request)).at(-1)!;
        return (await api.log(build.buildid, step)).includes('begun') && build;
      },
      { timeoutMs: 60_000, intervalMs: 100, what: `request ${request} at ${step}` },
    );
  }

  async function ended(request: number): Promise<readonly Build[]> {
    await eventually(async () => (await api.request(request)).complete, {
      timeoutMs: 120_000,
      intervalMs: 200,
      what: `the end of request ${request}`,
    });
    return api.attempts(request);
  }

  const resultsOf = (builds: readonly Build[]): (number | null)[] => builds.map(({ results }) => results);

  const commandsOf = ({ name }: StockKind): number[] => processesBelow(join(stack.folder, name));

  const nothingRuns = (): Promise<unknown> =>
    eventually(() => kinds.every((kind) => commandsOf(kind).length === 0), {
      timeoutMs: 20_000,
      what: 'the end of every command',
    });

  async function engineOf(build: Build): Promise<string> {
    const { builds } = await cluster.api<{ builds: { masterid: number }[] }>(`/builds/${build.buildid}`);
    const { masters } = await cluster.api<{ masters: { masterid: number; name: string }[] }>('/masters');
    return masters.find((master) => master.masterid === builds[0]!.masterid)!.name;
  }

  it("tell why something could not be done: in the step's state and in its log", async () => {
    const said = await ofEach(async (kind) => {
      const { buildid } = (await ended(await requested('hopeless', kind))).at(-1)!;
      const steps = await api.steps(buildid);
      return Promise.all(
        steps.map(async ({ name, results, state_string: state }) => {
          const log = results === Result.SUCCESS ? '' : (await api.log(buildid, name)).join('\n');
          return [name, resultName(results as Result), state, log] as const;
        }),
      );
    });
    const because = (name: string, result: string, why: RegExp) => [
      name,
      result,
      expect.stringMatching(why),
      expect.stringMatching(why),
    ];
    expect(said).toEqual(
      forEach(({ protocol }) => [
        ['worker_preparation', 'success', expect.stringMatching(/^worker \S+ ready$/), ''],
        ['shell', 'success', expect.anything(), ''],
        because('workdir', 'exception', /No such file or directory: '\/proc\/none'/),
        because('property', 'exception', /No such file or directory: '\/proc\/none'/),
        because('missing', 'failure', /Cannot open file '.*nowhere' for upload/),
        because('folder', 'failure', /Cannot open file '.*' for upload/),
        because('over', 'failure', /Cannot open file '.*' for download/),
        protocol === 'pb'
          ? because('stdin', 'exception', /700000 is too long for a worker that speaks PB/)
          : ['stdin', 'success', expect.anything(), ''],
      ]),
    );
  }, 150_000);

  describe('one build with everything', () => {
    let builds: Record<string, Build>;
    const lines = (kind: StockKind, step: string, log?: string): Promise<string[]> =>
      api.log(builds[kind.name]!.buildid, step, log);
    /** Returns what the command itself printed, without the worker's own messages, which are in other streams. */
    const printed = (step: string, log = 'stdio'): Promise<Record<string, string[]>> =>
      ofEach(async (kind) => {
        const path = `/builds/${builds[kind.name]!.buildid}/steps/${step}/logs/${log}/contents`;
        const { logchunks } = await cluster.api<{ logchunks: { content: string }[] }>(path);
        const all = logchunks.map(({ content }) => content).join('');
        return all.split('\n').flatMap((line) => (/^[oe]/.test(line) ? [line.slice(1)] : []));
      });
    const told = (step: string): Promise<Record<string, unknown[]>> =>
      ofEach(async (kind) => (await textOf(kind, step)).map((line) => JSON.parse(line) as unknown));
    async function textOf(kind: StockKind, step: string): Promise<string[]> {
      const path = `/builds/${builds[kind.name]!.buildid}/steps/${step}/logs/found/contents`;
      const { logchunks } = await cluster.api<{ logchunks: { content: string }[] }>(path);
      return logchunks.flatMap(({ content }) => content.split('\n').filter(Boolean));
    }

    beforeAll(async () => {
      builds = await ofEach(async (kind) => (await ended(await requested('everything', kind))).at(-1)!);
    }, 150_000);

    it('ends each step with the right result', async () => {
      const steps = await ofEach(async (kind) =>
        Object.fromEntries(
          (await api.steps(builds[kind.name]!.buildid)).map(({ name, results }) => [
            name,
            resultName(results as Result),
          ]),
        ),
      );
      const failing = 'silent long polite killed absent upload-missing upload-too-big'.split(' ');
      const passing =
        'worker_preparation git set-property text list env quiet stdin logfiles pty normalized wide many secret big upload download text-down compare commands leave repaired';
      expect(steps).toEqual(
        forEach(({ version }) => ({
          ...Object.fromEntries(passing.split(' ').map((name) => [name, 'success'])),
          ...Object.fromEntries(failing.map((name) => [name, 'failure'])),
          // Workers before 4.1 have no limit of lines.
          'max-lines': version.startsWith('3.') ? 'success' : 'failure',
          warned: 'warnings',
        })),
      );
      expect(await ofEach(async ({ name }) => builds[name]!.results)).toEqual(forEach(() => Result.SUCCESS));
    });

    it('handles text, lists, variables, stdin, log files and terminals', async () => {
      expect(await printed('text')).toEqual(forEach(() => expect.arrayContaining(['out 42', 'err', 'build'])));
      expect(await printed('list')).toEqual(forEach(() => ['[two words]', "[it's]", '[ü€𝄞]', '[]', '[$HOME]']));
      expect(await printed('env')).toEqual(forEach(() => [expect.stringMatching(/^a b\|gone\|<.*\/bin.*>$/)]));
      expect(await printed('stdin')).toEqual(forEach(() => ['one', 'zwölf', 'unfinished']));
      expect(await printed('logfiles', 'extra')).toEqual(forEach(() => ['first', 'second']));
      expect(await printed('pty')).toEqual(forEach(() => ['a terminal']));
      expect(await printed('normalized')).toEqual(forEach(() => ['10%', '20%', 'last']));
      const shown = await ofEach(async (kind) => [await lines(kind, 'env'), await lines(kind, 'quiet')]);
      for (const [env, quiet] of Object.values(shown)) {
        expect(env).toContain('  A=a b');
        expect(quiet!.join('\n')).not.toContain('A=a b');
      }
      const properties = await ofEach(({ name }) =>
        cluster.api<{ properties: Record<string, [unknown, string]>[] }>(`/builds/${builds[name]!.buildid}/properties`),
      );
      for (const { properties: all } of Object.values(properties)) {
        expect(all[0]).toMatchObject({ answer: ['42', 'set-property'], got_revision: [revision, 'Git'] });
      }
    });

    it('ends commands that take too long, print too much, or print nothing', async () => {
      const states = await ofEach(async (kind) =>
        Object.fromEntries((await api.steps(builds[kind.name]!.buildid)).map((step) => [step.name, step.state_string])),
      );
      // Workers before 3.10 give the reason in the log only.
      const why = (text: string) =>
        forEach(({ version }) => expect.stringContaining(version.startsWith('3.') ? '' : text));
      const of = (name: string) => forEach((kind) => states[kind.name]![name]);
      expect(of('silent')).toEqual(why('no output for too long'));
      expect(of('long')).toEqual(why('took too long'));
      expect(of('max-lines')).toEqual(why('too many lines'));
      const silent = await ofEach((kind) => lines(kind, 'silent'));
      expect(silent).toEqual(
        forEach(() => expect.arrayContaining([expect.stringMatching(/^command timed out: 1 seconds without/)])),
      );
      expect(await printed('polite')).toEqual(forEach(() => expect.arrayContaining(['begun', 'bye'])));
    });

    it('has every line, and long lines complete if the worker sends them so', async () => {
      expect(await printed('many')).toEqual(forEach(() => Array.from({ length: 40_000 }, (_, i) => String(i + 1))));
      const lengths = await ofEach(async (kind) =>
        ((await printed('wide'))[kind.name] ?? []).map(({ length }) => length),
      );
      for (const { name, protocol } of kinds) {
        if (protocol === 'msgpack') expect([name, lengths[name]]).toEqual([name, [4000, 4096, 5000, 20_000, 300_000]]);
        // Over PB the worker itself cuts lines of 4096 characters and more, and loses some (`docs/protocols.md#long-lines`).
        else expect([name, lengths[name]![0]]).toEqual([name, 4000]);
      }
    });

    it('shows no secret', async () => {
      expect(await told('secret')).toEqual(
        forEach(({ protocol }) => [
          // Over msgpack these workers cannot hide a secret on a command line.
          protocol === 'pb'
            ? { rc: 0, failure: null }
            : { rc: null, failure: expect.stringContaining('would show the secret on the command line') },
          { rc: 0 },
        ]),
      );
      const logs = await ofEach(async (kind) => (await lines(kind, 'secret')).join('\n'));
      for (const log of Object.values(logs)) expect(log).not.toContain('h0sh');
    });

    it('moves files and folders', async () => {
      expect(await printed('compare')).toEqual(forEach(() => ['750', 'zwölf']));
      expect(await told('commands')).toEqual(
        forEach(() => [
          ['mkdir', { rc: 0, failure: null }],
          ['stat', { rc: 0, failure: null, mode: '640', size: 4 }],
          ['stat', { rc: 2, failure: null }],
          ['cpdir', { rc: 0, failure: null }],
          ['listdir', { rc: 0, failure: null, files: ['a', 'b'] }],
          ['glob', { rc: 0, failure: null, files: ['file'] }],
          ['rmfile', { rc: 0, failure: null }],
          ['rmfile', { rc: 2, failure: null }],
          ['listdir', { rc: 0, failure: null, files: [] }],
          ['upload_directory', { rc: 0, failure: null }],
          ['rmdir', { rc: 0, failure: null }],
          ['stat', { rc: 2, failure: null }],
        ]),
      );
      const kept = await ofEach(async ({ name }) => {
        const { uuid } = builds[name]!;
        const folder = readdirSync(stack.folder, { recursive: true, encoding: 'utf8' }).filter((file) =>
          file.includes(`blobs/${uuid.slice(0, 8)}/${uuid}/`),
        );
        return Object.fromEntries(
          folder.map((file) => [file.split('/').at(-1)!, statSync(join(stack.folder, file)).size]),
        );
      });
      expect(kept).toEqual(forEach(() => ({ big: 3_000_000, 'tree.tar': expect.any(Number) })));
    });
  });

  it('a build is stopped, and its command ends', async () => {
    const stopped = await ofEach(async (kind) => {
      const request = await requested('sleeps', kind);
      const build = await begun(request, 'sleep');
      expect(commandsOf(kind).length).toBeGreaterThan(0);
      await cluster.call(`/builds/${build.buildid}`, 'stop', { reason: 'enough' });
      return resultsOf(await ended(request));
    });
    expect(stopped).toEqual(forEach(() => [Result.CANCELLED]));
    await nothingRuns();
  }, 120_000);

  it('a worker that is asked to shut down, by either side, ends after its build', async () => {
    const attempts = await ofEach(async (kind) => {
      const request = await requested('brief', kind);
      const build = await begun(request, 'brief');
      if (kind.protocol === 'pb') writeFileSync(join(stack.folder, kind.name, 'shutdown.stamp'), '');
      else await cluster.call(`/workers/${kind.name}`, 'stop', { reason: 'a new disk' });
      const daemon = daemons.get(kind.name)!;
      await eventually(() => daemon.pid === null, {
        timeoutMs: 30_000,
        intervalMs: 100,
        what: `the end of ${kind.name}`,
      });
      const log = await api.log(build.buildid, 'brief');
      expect(log).toContain('ended');
      await daemon.start();
      return resultsOf(await ended(request));
    });
    expect(attempts).toEqual(forEach(() => [Result.SUCCESS]));
  }, 120_000);

  it('a build whose worker is stopped is tried again when it is back', async () => {
    const attempts = await ofEach(async (kind) => {
      const request = await requested('returns', kind);
      await begun(request, 'first');
      await daemons.get(kind.name)!.stop();
      // Over msgpack a worker that is stopped leaves its command running, and no process keeps track of it any more.
      if (kind.protocol === 'msgpack') for (const pid of commandsOf(kind)) process.kill(pid, 'SIGKILL');
      await daemons.get(kind.name)!.start();
      return resultsOf(await ended(request));
    });
    expect(attempts).toEqual(forEach(() => [Result.RETRY, Result.SUCCESS]));
    await nothingRuns();
  }, 120_000);

  it.each([
    [
      'its engine was killed',
      () => [...cluster.pids('engine'), second.process.pid!].forEach((pid) => process.kill(pid, 'SIGKILL')),
    ],
    [
      'the network failed',
      () => {
        balancer.loseNetwork();
        balancer.restoreNetwork();
      },
    ],
  ])(
    'a build is tried again when %s, and nothing of the first attempt disturbs the second',
    async (_what, happens) => {
      const requests = await ofEach(async (kind) => {
        const request = await requested('haunted', kind);
        await begun(request, 'first');
        return request;
      });
      happens();
      const attempts = await ofEach(async (kind) => resultsOf(await ended(requests[kind.name]!)));
      expect(attempts).toEqual(forEach(() => [Result.RETRY, Result.SUCCESS]));
      await nothingRuns();
    },
    120_000,
  );

  it('a drained engine finishes their builds, and they go to another one', async () => {
    const running = await ofEach(async (kind) => begun(await requested('brief', kind), 'brief'));
    const engines = await ofEach(({ name }) => engineOf(running[name]!));
    const drained = Object.values(engines)[0]!;
    // Its supervisor restarts the engine, which then accepts workers again.
    balancer.offer([drained === second.process.name ? cluster.ports.workers : second.workerPort!]);
    const { status } = await millraceSoon([
      'drain',
      drained,
      '--database',
      `sqlite:${join(stack.folder, 'millrace.sqlite')}`,
    ]);
    expect(status).toBe(0);
    const attempts = await ofEach(async ({ name }) => resultsOf(await ended(running[name]!.buildrequestid)));
    expect(attempts).toEqual(forEach(() => [Result.SUCCESS]));
    const next = await ofEach(async (kind) => (await ended(await requested('brief', kind))).at(-1)!);
    expect(await ofEach(async ({ name }) => next[name]!.results)).toEqual(forEach(() => Result.SUCCESS));
    for (const build of Object.values(next)) expect(await engineOf(build)).not.toBe(drained);
  }, 120_000);
});
