import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Result } from '@millrace/domain';
import { type Cluster, eventually } from '@millrace/testing';
import { Forge } from './forge.js';
import { Api } from './resources.js';
import { availableStacks, FIXTURES, type Stack, startStack } from './stacks.js';

interface Buildset {
  readonly bsid: number;
  readonly reason: string;
  readonly complete: boolean;
  readonly results: number;
  readonly sourcestamps: readonly { readonly branch: string | null }[];
}

interface Scheduler {
  readonly schedulerid: number;
  readonly name: string;
  readonly wake_at: number | null;
  readonly called_at: number | null;
}

describe.each(availableStacks())('schedulers that start builds by themselves, on %s', (name) => {
  let stack: Stack;
  let cluster: Cluster;
  let forge: Forge;
  beforeAll(async () => {
    stack = await startStack(name);
    forge = await Forge.start();
    cluster = await stack.start(join(FIXTURES, 'schedulers.config.ts'), { E2E_FORGE: forge.url });
    await cluster.add('scheduler', 'second');
  }, 120_000);
  afterAll(async () => {
    await cluster?.stop();
    await stack?.stop();
    await forge?.stop();
  });

  const schedulerOf = async (of: string): Promise<Scheduler> =>
    (await cluster.api<{ schedulers: Scheduler[] }>('/schedulers')).schedulers.find((one) => one.name === of)!;
  const buildsets = async (): Promise<readonly Buildset[]> =>
    (await cluster.api<{ buildsets: Buildset[] }>('/buildsets?order=bsid&limit=100')).buildsets;
  const bySlot = async (): Promise<readonly Buildset[]> =>
    (await buildsets()).filter(({ reason }) => reason.startsWith("scheduler 'periodic' at "));

  it('build each time once, with two scheduler masters, until they are switched off', async () => {
    const found = await eventually(
      async () => {
        const all = (await bySlot()).slice(0, 3);
        return all.length === 3 && all.every(({ complete }) => complete) && all;
      },
      { timeoutMs: 60_000, what: 'three builds' },
    );
    for (const buildset of found || [])
      expect(buildset).toMatchObject({ results: Result.SUCCESS, sourcestamps: [{ branch: 'main' }] });
    const { buildrequests } = await cluster.api<{ buildrequests: { builderid: number; priority: number }[] }>(
      `/buildrequests?buildsetid=${(found || [])[0]!.bsid}`,
    );
    const builderid = await new Api(cluster).builderId('timed');
    expect(buildrequests).toMatchObject([{ builderid, priority: 7 }]);
    const { schedulerid } = await schedulerOf('periodic');
    await cluster.call(`/schedulers/${schedulerid}`, 'enable', { enabled: false });
    expect((await schedulerOf('periodic')).wake_at).toBeNull();
    const reasons = (await bySlot()).map(({ reason }) => reason);
    expect(new Set(reasons).size).toBe(reasons.length);
    expect(reasons).toEqual(reasons.filter((reason) => /\d\d:\d\d:\d\d\.000Z$/.test(reason)));
  }, 120_000);

  it('build the same source stamps after what went well, and nothing after what did not', async () => {
    const stamp = { branch: 'main', revision: 'abc', codebase: 'app', repository: 'r', project: '' };
    const trigger = async (results: Result): Promise<string> => {
      const { buildset } = await cluster.trigger({ scheduler: 'up', sourceStamps: [stamp], properties: { results } });
      return `scheduler 'down' after buildset ${buildset.id} of 'up'`;
    };
    const expected = await trigger(Result.SUCCESS);
    const failed = await trigger(Result.FAILURE);
    const last = await trigger(Result.WARNINGS);
    const after = async () => (await buildsets()).filter(({ reason }) => reason.startsWith("scheduler 'down'"));
    await eventually(async () => (await after()).filter(({ complete }) => complete).length === 2, {
      timeoutMs: 60_000,
      what: 'two builds',
    });
    const found = await after();
    expect(found.map(({ reason }) => reason).sort()).toEqual([expected, last].sort());
    expect(found.map(({ reason }) => reason)).not.toContain(failed);
    for (const one of found) expect(one).toMatchObject({ results: Result.SUCCESS, sourcestamps: [stamp] });
  }, 120_000);

  it('keep a call of a step until it is time, and the step does not wait', async () => {
    expect((await schedulerOf('later')).called_at).toBeNull();
    const { requests } = await cluster.trigger({ scheduler: 'caller' });
    const api = new Api(cluster);
    const build = await eventually(
      async () => (await api.attempts(requests[0]!.id)).find(({ complete }) => complete) ?? false,
      {
        timeoutMs: 60_000,
        what: 'the end of the build that calls',
      },
    );
    expect(build).toMatchObject({ results: Result.SUCCESS });
    const later = await schedulerOf('later');
    expect(later).toMatchObject({ called_at: expect.any(Number), wake_at: expect.any(Number) });
    const answer = await cluster.trigger({ scheduler: 'later' });
    expect(answer).toEqual({ buildset: null, requests: [], buildsAt: later.wake_at, repeated: false });
    expect(await api.steps((build as { buildid: number }).buildid)).toMatchObject([
      { name: 'worker_preparation' },
      { name: 'call', state_string: 'triggered later (builds at its time)' },
    ]);
  }, 120_000);

  it('build the pull requests that pollers find, each head once with two scheduler masters', async () => {
    const api = new Api(cluster);
    const builderId = await api.builderId('reviewed');
    const reviewed = () => api.builds(`builderid=${builderId}&property=*`);
    await eventually(
      async () => {
        const builds = await reviewed();
        return builds.length >= 2 && builds.every(({ results }) => results === Result.SUCCESS);
      },
      { timeoutMs: 90_000, what: 'a green build of each pull request' },
    );
    const events = (await reviewed()).map(({ properties }) => properties['event']?.[0]);
    expect(events.sort()).toEqual(['merge_request', 'pull_request']);
  }, 120_000);

  it('tell when they build next', async () => {
    const { wake_at: next } = await schedulerOf('nightly');
    const at = new Date(next! * 1000);
    expect(at.getTime()).toBeGreaterThan(Date.now());
    const berlin = new Intl.DateTimeFormat('en', { timeZone: 'Europe/Berlin', hour: 'numeric', hourCycle: 'h23' });
    expect(berlin.format(at)).toBe('03');
    expect(new Date(at.getTime() + 86_400_000).getUTCDate()).toBe(1);
  });
});
