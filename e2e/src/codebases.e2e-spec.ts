import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Result } from '@millrace/domain';
import { Cluster, eventually } from '@millrace/testing';
import { TestRepository } from './git-repository.js';
import { Api, type Build } from './resources.js';
import { FIXTURES } from './stacks.js';

describe('a build of two codebases', () => {
  let folder: string;
  let cluster: Cluster;
  let api: Api;
  let lib: TestRepository;
  let newerLib: string;
  const revisions: Record<string, string> = {};

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-codebases-'));
    const app = new TestRepository(join(folder, 'app'));
    lib = new TestRepository(join(folder, 'lib'));
    revisions['app'] = app.commit('this is the app');
    revisions['lib'] = lib.commit('an old lib');
    newerLib = lib.commit('a newer lib');
    cluster = await Cluster.start({
      config: join(FIXTURES, 'codebases.config.ts'),
      folder,
      env: { E2E_APP: app.url, E2E_LIB: lib.url },
    });
    api = new Api(cluster);
  }, 120_000);
  afterAll(async () => {
    await cluster?.stop();
    rmSync(folder, { recursive: true });
  });

  async function built(requestId: number): Promise<Build> {
    const build = await eventually(
      async () => (await api.attempts(requestId)).find(({ complete }) => complete) ?? false,
      {
        timeoutMs: 60_000,
        intervalMs: 100,
        what: `the build of request ${requestId}`,
      },
    );
    return (await api.builds(`buildid=${(build || { buildid: 0 }).buildid}&property=*`))[0]!;
  }

  const stampsOf = async (buildsetId: number) =>
    (await cluster.api<{ sourcestamps: object[] }>(`/buildsets/${buildsetId}/sourcestamps`)).sourcestamps;

  const stamps = () => [
    { codebase: 'lib', branch: 'main', revision: revisions['lib'] },
    { codebase: 'app', branch: 'main' },
  ];

  it('checks out each codebase according to its source stamp, and shows both', async () => {
    const { buildset, requests } = await cluster.trigger({ scheduler: 'trigger', sourceStamps: stamps() });
    const build = await built(requests[0]!.id);
    expect(build).toMatchObject({ results: Result.SUCCESS, properties: { got_revision: [revisions, 'Git'] } });
    expect(build.properties).not.toHaveProperty('branch');
    expect(await api.log(build.buildid, 'show')).toEqual(
      expect.arrayContaining(['this is the app', 'an old lib', 'main main']),
    );
    const expected = [
      { codebase: 'app', branch: 'main', revision: null },
      { codebase: 'lib', branch: 'main', revision: revisions['lib'] },
    ];
    expect(await stampsOf(buildset.id)).toMatchObject(expected);

    const [id, ids] = await cluster.call<[number, Record<string, number>]>(`/builds/${build.buildid}`, 'rebuild');
    expect(await stampsOf(id)).toMatchObject(expected);
    const again = await built(Object.values(ids)[0]!);
    expect(again).toMatchObject({ results: Result.SUCCESS, properties: { got_revision: [revisions, 'Git'] } });
  }, 120_000);

  it('records the commits of a codebase that is listed', async () => {
    interface Commit {
      readonly commitid: number;
      readonly parent_commitid: number | null;
      readonly comments: string;
    }
    const commit = (revision: string): Promise<Commit> =>
      eventually(
        async () => {
          const path = `/codebases/1/commits?revision=${revision}`;
          return (await cluster.api<{ commits: Commit[] }>(path)).commits[0] ?? false;
        },
        { timeoutMs: 60_000, what: `the commit ${revision}` },
      );
    const former = await commit(newerLib);
    const newest = await commit(lib.commit('the newest lib'));
    expect(newest).toMatchObject({ parent_commitid: former.commitid, comments: 'source: the newest lib' });
    const { branches } = await cluster.api<{ branches: object[] }>('/codebases/1/branches');
    expect(branches).toMatchObject([{ name: 'main', commitid: newest.commitid }]);
  }, 180_000);

  it('reports a codebase of which it has no source stamp', async () => {
    const { requests } = await cluster.trigger({ scheduler: 'trigger', sourceStamps: stamps().slice(1) });
    const build = await built(requests[0]!.id);
    expect(build.results).toBe(Result.EXCEPTION);
    expect((await api.steps(build.buildid)).map(({ state_string }) => state_string)).toEqual([
      expect.stringMatching(/^worker \S+ ready$/),
      expect.stringMatching(/^update main/),
      'no source stamp to check out (exception)',
    ]);
    expect((await api.log(build.buildid, 'lib', 'err.text')).join()).toContain(
      "has no source stamp of the codebase 'lib'; there are: 'app'",
    );
  }, 120_000);
});
