import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Result } from '@millrace/domain';
import { type Cluster, eventually } from '@millrace/testing';
import { Api, type Build } from './resources.js';
import { availableStacks, FIXTURES, millraceSoon, type Stack, startStack } from './stacks.js';

const WAIT = { timeoutMs: 60_000, intervalMs: 100 };

describe.each(availableStacks().filter((name) => name !== 'MariaDB + NATS'))(
  'builds that trigger others on %s',
  (name) => {
    let stack: Stack;
    let cluster: Cluster;
    let api: Api;
    let gates: string;

    beforeAll(async () => {
      stack = await startStack(name);
      gates = join(stack.folder, 'gates');
      mkdirSync(gates);
      cluster = await stack.start(join(FIXTURES, 'triggering.config.ts'), { E2E_GATES: gates });
      api = new Api(cluster);
    }, 120_000);
    afterAll(async () => {
      await cluster?.stop();
      await stack?.stop();
    });

    const start = async (builder: string): Promise<number> => {
      const asked = { scheduler: 'trigger', builders: [builder], priority: 5, properties: { version: '1.2' } };
      return (await cluster.trigger({ ...asked, sourceStamp: { branch: 'main' } })).requests[0]!.id;
    };
    const attempt = async (requestId: number, isSo: (build: Build) => boolean, what: string): Promise<Build> => {
      const find = async () => (await api.attempts(requestId)).find(isSo) ?? false;
      return (await eventually(find, { ...WAIT, what })) || (await api.attempts(requestId))[0]!;
    };
    const ended = (requestId: number) =>
      attempt(requestId, ({ complete }) => complete, `the end of request ${requestId}`);
    const children = async ({ buildid }: Build) =>
      (await cluster.api<{ builds: Build[] }>(`/builds/${buildid}/triggered_builds?order=buildid&property=*`)).builds;

    const firstChild = async (build: Build): Promise<Build> => {
      await eventually(async () => (await children(build)).length > 0, { ...WAIT, what: 'its child' });
      return (await children(build))[0]!;
    };

    it('wait for them, build what they have checked out, and show them', async () => {
      const build = await ended(await start('release'));
      expect(build).toMatchObject({ results: Result.SUCCESS, attempt: 1 });
      const steps = await api.steps(build.buildid);
      expect(steps.map(({ state_string }) => state_string)).toEqual([
        expect.stringMatching(/^worker \S+ ready$/),
        "property 'got_revision' set",
        'triggered tests, flaky (failure)',
        "'echo published'",
      ]);
      const made = await children(build);
      expect(made.map(({ results }) => results).sort()).toEqual([Result.SUCCESS, Result.FAILURE]);
      const linux = made.find(({ results }) => results === Result.SUCCESS)!;
      expect(linux.properties).toMatchObject({ version: ['1.2', 'Trigger'], scheduler: ['tests', 'Scheduler'] });
      expect(await api.log(linux.buildid, 'run')).toContain('1.2 of f00d');
      const request = await api.request(linux.buildrequestid);
      expect(request).toMatchObject({ waited_for: true, priority: 5 });
      const { buildsets } = await cluster.api<{ buildsets: object[] }>(`/buildsets?parent_buildid=${build.buildid}`);
      expect(buildsets).toHaveLength(2);
      for (const buildset of buildsets) expect(buildset).toMatchObject({ parent_relationship: 'Triggered from' });
      expect(JSON.stringify(steps[2])).toContain(`/#/buildrequests/${linux.buildrequestid}"`);
    }, 120_000);

    it('are built again with the tree, all of it or what failed', async () => {
      const first = await ended(await start('release'));
      const [, ids] = await cluster.call<[number, Record<string, number>]>(`/builds/${first.buildid}`, 'rebuild', {});
      const second = await ended(Object.values(ids)[0]!);
      expect(second.results).toBe(Result.SUCCESS);
      expect((await children(second)).map(({ results }) => results).sort()).toEqual([Result.SUCCESS, Result.FAILURE]);
      const database = stack.database ?? `sqlite:${join(stack.folder, 'millrace.sqlite')}`;
      const { status, stdout } = await millraceSoon([
        ...['rebuild', String(second.buildid), '--failed', '--database', database],
      ]);
      expect(status).toBe(0);
      const third = await ended(Number(/build request (\d+)/.exec(stdout)![1]));
      expect(third.results).toBe(Result.SUCCESS);
      // The good one of the second round stands for its repetition.
      expect((await children(third)).map(({ results }) => results)).toEqual([Result.FAILURE]);
    }, 180_000);

    it('have steps that their steps add', async () => {
      const build = await ended(await start('growing'));
      expect(build.results).toBe(Result.SUCCESS);
      const names = (await api.steps(build.buildid)).map(({ name }) => name);
      expect(names).toEqual([
        'worker_preparation',
        ...['shards', 'plan', 'lint', 'test', 'pack', 'shard 0', 'shard 1'],
      ]);
      expect(await api.log(build.buildid, 'shard 1')).toContain('shard 1');
    }, 120_000);

    it('take them along when they are stopped', async () => {
      const requestId = await start('patient');
      const build = await attempt(requestId, () => true, 'the build');
      const child = await firstChild(build);
      await cluster.call(`/builds/${build.buildid}`, 'stop', { reason: 'enough' });
      expect(await ended(requestId)).toMatchObject({ results: Result.CANCELLED });
      expect(await ended(child.buildrequestid)).toMatchObject({ results: Result.CANCELLED });
    }, 120_000);

    it('wait for the same ones after their engine was killed, asleep and awake', async () => {
      const asleep = await start('sleeper');
      const sleeper = await attempt(asleep, () => true, 'the build');
      await firstChild(sleeper);
      await eventually(
        async () => {
          const metrics = await fetch(`http://127.0.0.1:${cluster.ports.engine}/metrics`);
          return /^millrace_builds_asleep\S* 1$/m.test(await metrics.text());
        },
        { ...WAIT, what: 'the sleep of the build' },
      );
      const requestId = await start('patient');
      const build = await attempt(requestId, () => true, 'the build');
      const child = await firstChild(build);
      cluster.signal('engine', 'SIGKILL');
      for (const { buildid } of [sleeper, build]) {
        await eventually(
          async () => {
            const { adoptions } = await cluster.api<{ adoptions: object[] }>(`/builds/${buildid}/adoptions`);
            return adoptions.length > 0;
          },
          { ...WAIT, what: 'the adoption of the build' },
        );
        expect((await api.builds(`buildid=${buildid}`))[0]).toMatchObject({ complete: false });
      }
      await cluster.call(`/builds/${child.buildid}`, 'stop', { reason: 'enough' });
      expect(await ended(requestId)).toMatchObject({ buildid: build.buildid, results: Result.CANCELLED });
      expect(await children(build)).toHaveLength(1);
      writeFileSync(join(gates, 'gated'), '');
      expect(await ended(asleep)).toMatchObject({ buildid: sleeper.buildid, results: Result.SUCCESS });
      expect(await api.log(sleeper.buildid, 'after')).toContain('awake');
      expect((await children(sleeper)).map(({ results }) => results)).toEqual([Result.SUCCESS]);
    }, 240_000);

    it('are not done when their condition says so', async () => {
      const build = await ended(await start('conditional'));
      expect(build).toMatchObject({ results: Result.SKIPPED, state_string: 'skipped by doBuildIf' });
      expect(await api.steps(build.buildid)).toMatchObject([{ name: 'worker_preparation', results: Result.SUCCESS }]);
    }, 60_000);

    it('must not trigger one another for ever', async () => {
      const build = await ended(await start('endless'));
      expect(build).toMatchObject({ results: Result.EXCEPTION });
      expect((await api.log(build.buildid, 'again', 'err.text')).join()).toContain("for ever: 'endless' → 'endless'");
      expect(await children(build)).toEqual([]);
    }, 120_000);
  },
);
