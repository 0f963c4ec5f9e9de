import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Result } from '@millrace/domain';
import { type Cluster, eventually } from '@millrace/testing';
import { TestRepository } from './git-repository.js';
import { Api, type Build } from './resources.js';
import { availableStacks, FIXTURES, type Stack, startStack } from './stacks.js';

describe.each(availableStacks().filter((name) => name !== 'MariaDB + NATS'))('cancellers on %s', (name) => {
  let stack: Stack;
  let cluster: Cluster;
  let api: Api;
  let repository: TestRepository;

  beforeAll(async () => {
    stack = await startStack(name);
    repository = new TestRepository(join(stack.folder, 'repository'));
    repository.commit('before');
    cluster = await stack.start(join(FIXTURES, 'cancellers.config.ts'), { E2E_REPOSITORY: repository.url });
    api = new Api(cluster);
  }, 120_000);
  afterAll(async () => {
    await cluster?.stop();
    await stack?.stop();
  });

  const buildsOf = async (builder: string): Promise<readonly Build[]> => {
    const id = await api.builderId(builder);
    return (await api.builds('order=buildid&limit=100&property=revision')).filter(({ builderid }) => builderid === id);
  };
  const within = (what: string) => ({ timeoutMs: 60_000, intervalMs: 200, what });

  it('stop the build of an older change of the branch when a newer one comes', async () => {
    await eventually(async () => {
      const { changesources } = await cluster.api<{ changesources: { state: string | null }[] }>('/changesources');
      return changesources[0]?.state === 'ok';
    }, within('the first poll'));
    const older = repository.commit('older');
    await eventually(async () => (await buildsOf('watched')).length === 1, within('the build of the older change'));
    const newer = repository.commit('newer');
    await eventually(async () => (await buildsOf('watched'))[0]?.complete === true, within('the older build to end'));
    await eventually(async () => (await buildsOf('watched')).length === 2, within('the newer build'));
    const [first, second] = await buildsOf('watched');
    expect(first).toMatchObject({ results: Result.CANCELLED, properties: { revision: [older, 'Build'] } });
    expect(first!.state_string).toMatch(/newest-only: change \d+ of the same branch is newer/);
    expect(second).toMatchObject({ complete: false, properties: { revision: [newer, 'Build'] } });
    expect((await buildsOf('patient'))[0]).toMatchObject({ complete: false });
  }, 120_000);

  it('cancel what is asked for an older branch with the same key', async () => {
    const id = await api.builderId('watched');
    const requests = async () =>
      (
        await cluster.api<{ buildrequests: { buildrequestid: number; results: number; reason: string | null }[] }>(
          `/builders/${id}/buildrequests?order=buildrequestid&limit=100`,
        )
      ).buildrequests;
    const before = (await requests()).length;
    const push = async (branch: string, count: number) => {
      repository.branch(branch);
      await eventually(async () => (await requests()).length === before + count, within(`a request for ${branch}`));
    };
    await push('review/1/1', 1);
    await push('review/2/1', 2);
    await push('review/1/2', 3);
    const cancelled = async () => (await requests()).slice(before).map(({ results }) => results === Result.CANCELLED);
    await eventually(async () => (await cancelled())[0] === true, within('the older patch set to be cancelled'));
    expect(await cancelled()).toEqual([true, false, false]);
    expect((await requests())[before]!.reason).toMatch(/newest-patch-set: change \d+ of the same branch is newer/);
  }, 120_000);

  it('cancel what the configuration names when a builder of the buildset fails', async () => {
    const { requests } = await cluster.trigger({ scheduler: 'trigger', sourceStamp: { branch: 'other' } });
    const request = async (builder: string) => api.request(requests.find((one) => one.builder === builder)!.id);
    await eventually(async () => (await request('watched')).complete, within('the rest to be cancelled'));
    expect(await request('fails')).toMatchObject({ results: Result.FAILURE });
    expect(await request('watched')).toMatchObject({ results: Result.CANCELLED });
    expect(await request('patient')).toMatchObject({ complete: false });
  }, 120_000);
});
