import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Result } from '@millrace/domain';
import { type Cluster, eventually } from '@millrace/testing';
import { Api, type Build } from './resources.js';
import { availableStacks, FIXTURES, type Stack, startStack } from './stacks.js';

const WAIT = { timeoutMs: 60_000, intervalMs: 100 };

describe.each(availableStacks().filter((name) => name !== 'MariaDB + NATS'))(
  'builds that trigger others on %s',
  (name) => {
    let stack: Stack;
    let cluster: Cluster;
    let api: Api;

    beforeAll(async () => {
      stack = await startStack(name);
      cluster = await stack.start(join(FIXTURES, 'triggering.config.ts'));
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
      expect(JSON.stringify(steps[1])).toContain(`/#/buildrequests/${linux.buildrequestid}"`);
    }, 120_000);

    it('take them along when they are stopped', async () => {
      const requestId = await start('patient');
      const build = await attempt(requestId, () => true, 'the build');
      const child = await firstChild(build);
      await cluster.call(`/builds/${build.buildid}`, 'stop', { reason: 'enough' });
      expect(await ended(requestId)).toMatchObject({ results: Result.CANCELLED });
      expect(await ended(child.buildrequestid)).toMatchObject({ results: Result.CANCELLED });
    }, 120_000);

    it('wait for the same ones after their engine was killed', async () => {
      const requestId = await start('patient');
      const build = await attempt(requestId, () => true, 'the build');
      const child = await firstChild(build);
      const engine = async () => (await api.builds(`buildid=${build.buildid}`))[0]!;
      cluster.signal('engine', 'SIGKILL');
      await eventually(
        async () => {
          const { adoptions } = await cluster.api<{ adoptions: object[] }>(`/builds/${build.buildid}/adoptions`);
          return adoptions.length > 0;
        },
        { ...WAIT, what: 'the adoption of the build' },
      );
      expect(await engine()).toMatchObject({ complete: false });
      await cluster.call(`/builds/${child.buildid}`, 'stop', { reason: 'enough' });
      expect(await ended(requestId)).toMatchObject({ buildid: build.buildid, results: Result.CANCELLED });
      expect(await children(build)).toHaveLength(1);
    }, 120_000);

    it('are not done when their condition says so', async () => {
      const build = await ended(await start('conditional'));
      expect(build).toMatchObject({ results: Result.SKIPPED, state_string: 'skipped by doBuildIf' });
      expect(await api.steps(build.buildid)).toEqual([]);
    }, 60_000);

    it('must not trigger one another for ever', async () => {
      const build = await ended(await start('endless'));
      expect(build).toMatchObject({ results: Result.EXCEPTION });
      expect((await api.log(build.buildid, 'again', 'err.text')).join()).toContain("for ever: 'endless' → 'endless'");
      expect(await children(build)).toEqual([]);
    }, 120_000);
  },
);
