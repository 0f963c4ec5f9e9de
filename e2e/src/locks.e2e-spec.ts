import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Result } from '@millrace/domain';
import { type Cluster, eventually } from '@millrace/testing';
import { Api, type Build } from './resources.js';
import { availableStacks, FIXTURES, millraceSoon, type Stack, startStack } from './stacks.js';

interface Lock {
  readonly name: string;
  readonly holders: readonly {
    readonly buildid: number;
    readonly step_number: number | null;
    readonly resources: readonly string[];
  }[];
}

interface WaitReason {
  readonly state: string;
  readonly reason: string;
  readonly text: string;
}

describe.each(availableStacks().slice(0, 2))('locks on %s', (name) => {
  let stack: Stack;
  let cluster: Cluster;
  let api: Api;
  let gates: string;

  beforeAll(async () => {
    stack = await startStack(name);
    gates = join(stack.folder, 'gates');
    mkdirSync(gates);
    cluster = await stack.start(join(FIXTURES, 'locks.config.ts'), { E2E_GATES: gates });
    api = new Api(cluster);
  }, 240_000);
  afterAll(async () => {
    await cluster?.stop();
    await stack?.stop();
  });

  /** Lets the builds of a builder go on. */
  const open = (builder: string): void => writeFileSync(join(gates, builder), '');
  const triggered = async (builder: string, properties: object = {}): Promise<number> =>
    (await cluster.trigger({ scheduler: 'trigger', builders: [builder], properties })).requests[0]!.id;
  const attempt = async (requestId: number, is: (build: Build) => boolean): Promise<Build> => {
    let found: Build | undefined;
    await eventually(async () => (found = (await api.attempts(requestId)).findLast(is)) !== undefined, {
      timeoutMs: 60_000,
      what: `the build of request ${requestId}`,
    });
    return found!;
  };
  const begun = (requestId: number) => attempt(requestId, () => true);
  const ended = (requestId: number) => attempt(requestId, ({ complete }) => complete);
  const lockNamed = async (lock: string): Promise<Lock> =>
    (await cluster.api<{ locks: Lock[] }>('/locks')).locks.find((one) => one.name === lock)!;
  const waits = async (requestId: number): Promise<WaitReason> => {
    const { wait_reasons: reasons } = await cluster.api<{ wait_reasons: WaitReason[] }>(
      `/buildrequests/${requestId}/wait_reason`,
    );
    return reasons[0]!;
  };
  const waitsForLock = (requestId: number) =>
    eventually(async () => (await waits(requestId)).reason === 'locks', {
      timeoutMs: 60_000,
      what: `request ${requestId} waits for a lock`,
    });

  it('a build waits for the lock of another, first come, first served, also when the engine dies', async () => {
    const first = await triggered('first');
    const { buildid, number } = await begun(first);
    const second = await triggered('second');
    await waitsForLock(second);
    expect((await waits(second)).text).toBe(`It is waiting for the lock 'db', which build ${number} of 'first' has.`);
    const third = await triggered('third');
    await waitsForLock(third);
    const { status, stdout } = await millraceSoon([
      'locks',
      '--database',
      stack.database ?? `sqlite:${join(stack.folder, 'millrace.sqlite')}`,
    ]);
    expect([status, stdout.split('\n').filter((line) => line.startsWith('db '))]).toEqual([
      0,
      [
        expect.stringMatching(/^db +1 +first #1 +has alone /),
        expect.stringMatching(/^db +1 +second request \d+ +waits for alone /),
        expect.stringMatching(/^db +1 +third request \d+ +waits for alone /),
      ],
    ]);

    for (const pid of cluster.pids('engine')) process.kill(pid, 'SIGKILL');
    await eventually(
      async () => (await cluster.api<{ adoptions: unknown[] }>(`/builds/${buildid}/adoptions`)).adoptions.length > 0,
      {
        timeoutMs: 60_000,
        what: 'another life of the engine goes on with the build',
      },
    );
    expect((await lockNamed('db')).holders).toMatchObject([{ buildid, step_number: null }]);
    expect((await waits(second)).state).toBe('waiting');

    for (const builder of ['first', 'second', 'third']) open(builder);
    const builds = [await ended(first), await ended(second), await ended(third)];
    expect(builds.map(({ results, attempt }) => [results, attempt])).toEqual(Array(3).fill([Result.SUCCESS, 1]));
    expect(builds[1]!.buildid).toBeLessThan(builds[2]!.buildid);
    expect((await lockNamed('db')).holders).toEqual([]);
  }, 180_000);

  it('a step waits for its locks, and the time counts apart', async () => {
    const build = await begun(await triggered('step'));
    const holder = async () => (await lockNamed('db')).holders[0];
    await eventually(async () => (await holder())?.step_number === 1, { what: 'the step has its lock' });
    const waiting = await triggered('first');
    await waitsForLock(waiting);
    open('step');
    expect((await ended(build.buildrequestid)).results).toBe(Result.SUCCESS);
    expect((await ended(waiting)).results).toBe(Result.SUCCESS);
    const { steps } = await cluster.api<{ steps: { locks_acquired_at: number; started_at: number }[] }>(
      `/builds/${build.buildid}/steps`,
    );
    expect(steps[1]!.locks_acquired_at).toBeGreaterThanOrEqual(steps[1]!.started_at);
  }, 120_000);

  it('a step takes the locks that a callback makes of properties; one that no configuration has is an exception', async () => {
    const build = await begun(await triggered('rendered', { locks: ['asked'] }));
    await eventually(async () => (await lockNamed('asked')).holders[0]?.buildid === build.buildid, {
      timeoutMs: 60_000,
      what: 'the step has its lock',
    });
    open('rendered');
    expect((await ended(build.buildrequestid)).results).toBe(Result.SUCCESS);
    const failed = await ended(await triggered('rendered', { locks: ['unknown'] }));
    expect(failed.results).toBe(Result.EXCEPTION);
    const { steps } = await cluster.api<{ steps: { state_string: string }[] }>(`/builds/${failed.buildid}/steps`);
    expect(steps[1]!.state_string).toMatch(/asks for the lock 'unknown', which the configuration does not have/);
  }, 120_000);

  it('a build takes the locks that a callback of its builder names for the request, and keeps them when the engine dies', async () => {
    const first = await triggered('asks', { locks: ['asked'] });
    const { buildid, number } = await begun(first);
    const second = await triggered('asks-too', { locks: ['asked'] });
    await waitsForLock(second);
    expect((await waits(second)).text).toBe(`It is waiting for the lock 'asked', which build ${number} of 'asks' has.`);
    const wrong = await triggered('asks-wrongly', { locks: ['unknown'] });
    await eventually(async () => (await waits(wrong)).reason === 'callback', {
      timeoutMs: 60_000,
      what: 'the request says which callback failed',
    });
    expect((await waits(wrong)).text).toMatch(
      /locks failed: 'builders\.\d+\.locks' threw: the callback locks names the lock 'unknown', which the configuration does not have/,
    );
    for (const pid of cluster.pids('engine')) process.kill(pid, 'SIGKILL');
    await eventually(
      async () => (await cluster.api<{ adoptions: unknown[] }>(`/builds/${buildid}/adoptions`)).adoptions.length > 0,
      { timeoutMs: 60_000, what: 'another life of the engine goes on with the build' },
    );
    expect((await lockNamed('asked')).holders).toMatchObject([{ buildid, step_number: null }]);
    expect((await waits(second)).state).toBe('waiting');
    for (const builder of ['asks', 'asks-too']) open(builder);
    const builds = [await ended(first), await ended(second)];
    expect(builds.map(({ results, attempt }) => [results, attempt])).toEqual(Array(2).fill([Result.SUCCESS, 1]));
    expect((await lockNamed('asked')).holders).toEqual([]);
    await cluster.call(`/buildrequests/${wrong}`, 'cancel', { reason: 'nothing can build it' });
  }, 180_000);

  it('builds that wait for each other are found, and the later one is an exception with the reason', async () => {
    const requests = [await triggered('on-left'), await triggered('on-right')];
    const [one, two] = [await begun(requests[0]!), await begun(requests[1]!)];
    open('on-left');
    open('on-right');
    const builds = [await ended(one.buildrequestid), await ended(two.buildrequestid)];
    expect(builds.map(({ results }) => results).sort()).toEqual([Result.SUCCESS, Result.EXCEPTION]);
    const failed = builds.find(({ results }) => results === Result.EXCEPTION)!;
    expect(failed.state_string).toMatch(
      /deadlock: build \d+ of 'on-\w+' waits for the lock '\w+', which build \d+ of 'on-\w+' has; build \d+ of 'on-\w+' waits for/,
    );
  }, 120_000);

  it('each build knows which resource it has', async () => {
    const requests = [await triggered('one'), await triggered('two'), await triggered('three')];
    await Promise.all([begun(requests[0]!), begun(requests[1]!)]);
    await waitsForLock(requests[2]!);
    const taken = (await lockNamed('boards')).holders.flatMap((holder) => holder.resources).sort();
    expect(taken).toEqual(['board1', 'board2']);
    for (const builder of ['one', 'two', 'three']) open(builder);
    for (const requestId of requests) {
      const { buildid, results } = await ended(requestId);
      const [build] = await api.builds(`buildid=${buildid}&property=*`);
      const board = build!.properties['board'];
      expect([results, board]).toEqual([Result.SUCCESS, [expect.stringMatching(/^board[12]$/), 'Lock']]);
      expect(await api.log(buildid, 'show')).toContain(`on ${String(board![0])}`);
    }
  }, 120_000);
});
