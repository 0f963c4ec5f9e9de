import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Result } from '@millrace/domain';
import { type Cluster, eventually } from '@millrace/testing';
import { Api, type BuildRequest } from './resources.js';
import { availableStacks, FIXTURES, type Stack, startStack } from './stacks.js';

describe.each(availableStacks().filter((name) => name !== 'MariaDB + NATS'))('collapsing on %s', (name) => {
  let stack: Stack;
  let cluster: Cluster;
  let api: Api;

  beforeAll(async () => {
    stack = await startStack(name);
    cluster = await stack.start(join(FIXTURES, 'collapsing.config.ts'));
    api = new Api(cluster);
    await eventually(async () => (await workers()).some(({ connected_to }) => connected_to.length > 0), {
      timeoutMs: 60_000,
      intervalMs: 100,
      what: 'the worker to connect',
    });
    await cluster.call(`/workers/${(await workers())[0]!.workerid}`, 'pause', { reason: 'so that requests wait' });
  }, 120_000);
  afterAll(async () => {
    await cluster?.stop();
    await stack?.stop();
  });

  const workers = async () =>
    (await cluster.api<{ workers: { workerid: number; connected_to: object[] }[] }>('/workers')).workers;
  const within = (what: string) => ({ timeoutMs: 60_000, intervalMs: 200, what });
  const ask = async (builder: string, branch = 'main', properties: object = {}): Promise<BuildRequest> => {
    const { requests } = await cluster.trigger({
      scheduler: 'trigger',
      builders: [builder],
      sourceStamp: { branch },
      properties,
    });
    return api.request(requests[0]!.id);
  };

  it('builds the newest of compatible requests, and the links of the others lead to its build', async () => {
    const first = await ask('newest');
    const other = await ask('newest', 'release');
    const each = [await ask('each'), await ask('each')];
    const second = await ask('newest');
    const third = await ask('newest');
    expect(await api.request(first.uuid)).toMatchObject({
      complete: true,
      results: Result.SKIPPED,
      collapsed_into_buildrequestid: second.buildrequestid,
    });
    expect(await api.request(second.uuid)).toMatchObject({ collapsed_into_buildrequestid: third.buildrequestid });

    await cluster.call(`/workers/${(await workers())[0]!.workerid}`, 'unpause');
    const built = [other, ...each, third];
    await eventually(
      async () => (await Promise.all(built.map(({ uuid }) => api.request(uuid)))).every(({ complete }) => complete),
      { timeoutMs: 60_000, intervalMs: 100, what: 'everything to be built' },
    );
    for (const { uuid } of built) expect(await api.request(uuid)).toMatchObject({ results: Result.SUCCESS });
    const [build] = await api.attempts(third.buildrequestid);
    for (const { uuid } of [first, second, third]) {
      const { builds } = await cluster.api<{ builds: object[] }>(`/buildrequests/${uuid}/builds`);
      expect(builds).toMatchObject([{ buildid: build!.buildid, buildrequestid: third.buildrequestid }]);
    }
    expect(await api.builds()).toHaveLength(built.length);
  }, 120_000);

  it('asks the callback of a builder which of the waiting requests are collapsed', async () => {
    await cluster.call(`/workers/${(await workers())[0]!.workerid}`, 'pause', { reason: 'so that requests wait' });
    const branch = 'asked';
    const precious = await ask('asks', branch, { mode: 'precious' });
    const throwaway = await ask('asks', branch, { mode: 'throwaway' });
    const newer = await ask('asks', branch, { mode: 'new' });
    await eventually(
      async () => (await api.request(throwaway.uuid)).complete,
      within('the older request to be collapsed'),
    );
    expect(await api.request(throwaway.uuid)).toMatchObject({
      results: Result.SKIPPED,
      collapsed_into_buildrequestid: newer.buildrequestid,
    });

    const broken = await ask('asks', branch, { mode: 'broken' });
    await eventually(async () => {
      const address = `/buildrequests/${broken.uuid}/wait_reason`;
      const [reason] = (await cluster.api<{ wait_reasons: { text: string }[] }>(address)).wait_reasons;
      return /not collapsed into it: collapseRequests failed:.*no such mode/.test(reason!.text);
    }, within('the failure of the callback to be shown'));
    for (const { uuid } of [precious, newer]) expect(await api.request(uuid)).toMatchObject({ complete: false });
  }, 120_000);
});
