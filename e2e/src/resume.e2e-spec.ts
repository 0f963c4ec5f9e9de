import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Result } from '@millrace/domain';
import { Balancer, type Cluster, eventually, type Extra } from '@millrace/testing';
import { Api, type Build } from './resources.js';
import { availableStacks, FIXTURES, millrace, millraceSoon, type Stack, startStack } from './stacks.js';

/** Fewest lines of the long build. More can be set for a longer form of these tests. */
const LINES = Number(process.env['E2E_LINES'] ?? 500);
/** How long the network is away. */
const CUT_MS = Number(process.env['E2E_CUT_SECONDS'] ?? 6) * 1000;
const BUILD_TAKES_MS = LINES * 15 + CUT_MS + 60_000;

describe.each(availableStacks().slice(0, 2))('builds outlive engines on %s', (name) => {
  let stack: Stack;
  let cluster: Cluster;
  let api: Api;
  let second: Extra;
  let third: Extra;
  let balancer: Balancer;
  /** While this file is there, the long build goes on, however long what happens to it meanwhile takes. */
  const hold = (): string => join(stack.folder, 'ledger.hold');
  const ledger = (): string[] => readFileSync(join(stack.folder, 'ledger'), 'utf8').trim().split('\n');

  beforeAll(async () => {
    stack = await startStack(name);
    cluster = await stack.start(join(FIXTURES, 'resume.config.ts'), {
      E2E_LEDGER: join(stack.folder, 'ledger'),
      E2E_LINES: String(LINES),
      MILLRACE_WORKER_PASSWORD: 'a password for both workers',
    });
    api = new Api(cluster);
    second = await cluster.add('engine', 'engine-2');
    third = await cluster.add('engine', 'engine-3');
    balancer = await Balancer.start([cluster.ports.workers, second.workerPort!, third.workerPort!]);
    await cluster.add('worker', 'far', balancer.port);
    await eventually(() => cluster.output.some((line) => /worker attached.*"far"/.test(line)), {
      timeoutMs: 60_000,
      what: 'the worker behind the balancer',
    });
    // Only the worker behind the balancer may build.
    const { workers } = await cluster.api<{ workers: { workerid: number; name: string }[] }>('/workers');
    const local = workers.find((worker) => worker.name === 'local')!.workerid;
    await cluster.call(`/workers/${local}`, 'pause', { reason: 'not in this test' });
  }, 240_000);
  afterEach(() => rmSync(hold(), { force: true }));
  afterAll(async () => {
    await balancer?.stop();
    await cluster?.stop();
    await stack?.stop();
  });

  async function engineOf(buildId: number): Promise<string> {
    const { builds } = await cluster.api<{ builds: { masterid: number }[] }>(`/builds/${buildId}`);
    const { masters } = await cluster.api<{ masters: { masterid: number; name: string }[] }>('/masters');
    return masters.find((master) => master.masterid === builds[0]!.masterid)!.name;
  }

  /** Returns the ports of all engines but one. */
  const portsBut = (engine?: string): number[] => {
    const extras = [second, third].map(({ process, workerPort }) => [process.name, workerPort!] as const);
    const first = extras.some(([name]) => name === engine) ? undefined : engine;
    return [
      ...(first === undefined ? [cluster.ports.workers] : []),
      ...extras.filter(([name]) => name !== engine).map(([, port]) => port),
    ];
  };

  /**
   * Kills the engine that runs the build.
   * @returns its name
   */
  async function killEngineOf(buildId: number): Promise<string> {
    const engine = await engineOf(buildId);
    const extra = [second, third].find(({ process }) => process.name === engine);
    const pids = extra ? [extra.process.pid] : cluster.pids('engine');
    // Without a pid it is dead already, and about to be restarted.
    for (const pid of pids) if (pid != null) process.kill(pid, 'SIGKILL');
    return engine;
  }

  const adoptions = async (buildId: number): Promise<{ from_masterid: number; to_masterid: number }[]> =>
    (await cluster.api<{ adoptions: { from_masterid: number; to_masterid: number }[] }>(`/builds/${buildId}/adoptions`))
      .adoptions;

  async function begun(builder: string): Promise<Build> {
    const { requests } = await cluster.trigger({ scheduler: 'trigger', builders: [builder] });
    const [first] = await eventually(
      async () => {
        const attempts = await api.attempts(requests[0]!.id);
        return attempts.length > 0 && attempts;
      },
      { what: `a build of ${builder}` },
    );
    return first!;
  }

  async function ended(build: Build, timeoutMs = BUILD_TAKES_MS): Promise<Build> {
    const attempts = await eventually(
      async () => {
        const all = await api.attempts(build.buildrequestid);
        return all.at(-1)!.complete && all.at(-1)!.results !== Result.RETRY && all;
      },
      { timeoutMs, intervalMs: 200, what: `the end of build ${build.buildid}` },
    );
    return attempts.at(-1)!;
  }

  /** Checks that every line is there once and in order, and that every command ran once. */
  async function expectWhole(build: Build): Promise<void> {
    expect(await ended(build)).toMatchObject({ buildid: build.buildid, results: Result.SUCCESS, attempt: 1 });
    const lines = (await api.log(build.buildid, 'count')).filter((line) => line.startsWith('line '));
    const printed = Number(readFileSync(join(stack.folder, 'ledger.lines'), 'utf8'));
    expect(printed).toBeGreaterThanOrEqual(LINES);
    expect(lines).toEqual(Array.from({ length: printed }, (_, i) => `line ${i + 1}`));
    expect((await api.log(build.buildid, 'after')).filter((line) => line === 'kept')).toHaveLength(1);
    const of = `${build.buildrequestid} 1`;
    expect(ledger().filter((line) => line.includes(` ${of}`))).toEqual([
      `before ${of}`,
      `count ${of}`,
      `counted ${of}`,
    ]);
    const steps = await api.steps(build.buildid);
    expect(steps.map(({ results }) => results)).toEqual(Array(4).fill(Result.SUCCESS));
  }

  const linesSoFar = async (build: Build): Promise<number> => {
    const { logs } = await cluster.api<{ logs: { num_lines: number }[] }>(`/builds/${build.buildid}/steps/2/logs`);
    return logs[0]?.num_lines ?? 0;
  };

  it(
    'a build goes on when three engines are killed in a row',
    async () => {
      writeFileSync(hold(), '');
      const build = await begun('long');
      const killed: string[] = [];
      for (let round = 1; round <= 3; round++) {
        const before = await eventually(() => linesSoFar(build).catch(() => 0), { timeoutMs: 30_000, what: 'its log' });
        await eventually(async () => (await linesSoFar(build)) > before + 50, {
          timeoutMs: 60_000,
          what: 'more lines',
        });
        killed.push(await killEngineOf(build.buildid));
        await eventually(async () => (await adoptions(build.buildid)).length >= round, {
          timeoutMs: 60_000,
          what: `adoption ${round}`,
        });
      }
      rmSync(hold());
      await expectWhole(build);
      const seen = await adoptions(build.buildid);
      expect(seen.length).toBeGreaterThanOrEqual(3);
      expect(new Set(killed).size).toBeGreaterThan(1);
      for (const [i, one] of seen.slice(1).entries()) expect(one.from_masterid).toBe(seen[i]!.to_masterid);
    },
    300_000 + BUILD_TAKES_MS,
  );

  it(
    "a build goes on after its worker's network was away",
    async () => {
      writeFileSync(hold(), '');
      const build = await begun('long');
      await eventually(async () => (await linesSoFar(build).catch(() => 0)) > 50, {
        timeoutMs: 30_000,
        what: 'its log',
      });
      balancer.loseNetwork();
      await new Promise((resolve) => setTimeout(resolve, CUT_MS));
      balancer.restoreNetwork();
      rmSync(hold());
      await expectWhole(build);
      expect((await adoptions(build.buildid)).length).toBeGreaterThanOrEqual(1);
    },
    60_000 + BUILD_TAKES_MS,
  );

  it('many short steps lose their engine again and again, and none runs twice in one attempt', async () => {
    const build = await begun('many');
    for (let round = 0; round < 4; round++) {
      const before = (await api.steps(build.buildid)).length;
      await eventually(async () => (await api.steps(build.buildid)).length > before + 4, {
        timeoutMs: 60_000,
        what: 'more steps',
      }).catch(async (error: unknown) => {
        // A kill between the writing of an intent and its sending makes the build start anew.
        if ((await api.attempts(build.buildrequestid)).length === 1) throw error;
      });
      await killEngineOf((await api.attempts(build.buildrequestid)).at(-1)!.buildid);
    }
    const last = await ended(build, 240_000);
    expect(last.results).toBe(Result.SUCCESS);
    const noted = ledger().filter((line) => line.startsWith('step-'));
    expect(noted.filter((line) => line.endsWith(` ${build.buildrequestid} ${last.attempt}`))).toHaveLength(60);
    expect(new Set(noted).size).toBe(noted.length);
    for (let i = 0; i < 60; i += 7) {
      const log = await api.log(last.buildid, `step-${i}`);
      expect(log.filter((line) => line === 'begin' || line === 'end')).toEqual(['begin', 'end']);
    }
  }, 400_000);

  it(
    'a drained engine finishes its builds, and its worker goes to another one',
    async () => {
      writeFileSync(hold(), '');
      const build = await begun('long');
      await eventually(async () => (await linesSoFar(build).catch(() => 0)) > 50, {
        timeoutMs: 30_000,
        what: 'its log',
      });
      const engine = await engineOf(build.buildid);
      // Its supervisor restarts the engine, which then accepts workers again.
      balancer.offer(portsBut(engine));
      const database = stack.database ?? `sqlite:${join(stack.folder, 'millrace.sqlite')}`;
      const drained = await millraceSoon(['drain', engine, '--database', database], (said) => {
        if (said.includes('1 build left')) rmSync(hold(), { force: true });
      });
      expect(drained).toMatchObject({ status: 0, stderr: '' });
      expect(drained.stdout).toMatch(/draining, 1 build left\n(.*\n)*.*has ended\n/);
      await expectWhole(build);
      expect(await adoptions(build.buildid)).toEqual([]);
      expect(await engineOf(build.buildid)).toBe(engine);

      const next = await begun('long');
      expect(await engineOf(next.buildid)).not.toBe(engine);
      expect((await ended(next)).results).toBe(Result.SUCCESS);
      expect(millrace(['drain', 'nobody', '--database', database]).stderr).toMatch(/no master 'nobody' is running/);
      balancer.offer(portsBut());
    },
    120_000 + BUILD_TAKES_MS,
  );

  it('a step that cannot go on half-way is tried again', async () => {
    const build = await begun('own');
    await eventually(() => ledger().includes(`own ${build.buildrequestid} 1`), { what: 'the step' });
    await killEngineOf(build.buildid);
    expect(await ended(build, 120_000)).toMatchObject({ attempt: 2, results: Result.SUCCESS });
  }, 180_000);

  it('a build whose worker was cut off from a living engine can be stopped, and the worker goes on', async () => {
    const build = await begun('silent');
    await eventually(() => ledger().includes(`sleep ${build.buildrequestid} 1`), { what: 'the step' });
    balancer.offer([]);
    balancer.drop();
    await cluster.call(`/builds/${build.buildid}`, 'stop', { reason: 'enough' });
    expect(await ended(build, 30_000)).toMatchObject({
      buildid: build.buildid,
      results: Result.CANCELLED,
      state_string: 'cancelled (enough)',
    });
    balancer.offer(portsBut());
    expect((await ended(await begun('long'), 120_000)).results).toBe(Result.SUCCESS);
  }, 180_000);

  it('a build that waits for its worker, or was adopted, can be stopped', async () => {
    const build = await begun('silent');
    await eventually(() => ledger().includes(`sleep ${build.buildrequestid} 1`), { what: 'the step' });
    await killEngineOf(build.buildid);
    await cluster.call(`/builds/${build.buildid}`, 'stop', { reason: 'enough' });
    expect(await ended(build, 60_000)).toMatchObject({ buildid: build.buildid, results: Result.CANCELLED });
  }, 120_000);
});
