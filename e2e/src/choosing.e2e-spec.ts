import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type JsonValue, Result } from '@millrace/domain';
import { type Cluster, eventually } from '@millrace/testing';
import { Api, type Build } from './resources.js';
import { availableStacks, FIXTURES, millraceSoon, type Stack, startStack } from './stacks.js';

describe.each(availableStacks().slice(0, 2))('choosing on %s', (name) => {
  let stack: Stack;
  let cluster: Cluster;
  let api: Api;
  let gates: string;

  beforeAll(async () => {
    stack = await startStack(name);
    gates = join(stack.folder, 'gates');
    mkdirSync(gates);
    cluster = await stack.start(join(FIXTURES, 'choosing.config.ts'), { E2E_GATES: gates });
    api = new Api(cluster);
    await cluster.add('worker', 'other');
    await eventually(async () => (await connected()) === 2, { timeoutMs: 60_000, what: 'both workers to connect' });
  }, 240_000);
  afterAll(async () => {
    await cluster?.stop();
    await stack?.stop();
  });

  const connected = async (): Promise<number> =>
    (await cluster.api<{ workers: { connected_to: object[] }[] }>('/workers')).workers.filter(
      ({ connected_to: engines }) => engines.length > 0,
    ).length;
  const open = (builder: string): void => writeFileSync(join(gates, builder), '');
  const triggered = async (builder: string, properties: Record<string, JsonValue> = {}): Promise<number> =>
    (await cluster.trigger({ scheduler: 'trigger', builders: [builder], properties })).requests[0]!.id;
  const ended = async (requestId: number): Promise<Build> => {
    let found: Build | undefined;
    await eventually(
      async () => (found = (await api.attempts(requestId)).find(({ complete }) => complete)) !== undefined,
      {
        timeoutMs: 60_000,
        what: `the build of request ${requestId}`,
      },
    );
    return (await api.builds(`buildid=${found!.buildid}&property=*`))[0]!;
  };
  const waitsFor = async (requestId: number, reason: string): Promise<string> => {
    let text = '';
    await eventually(
      async () => {
        const { wait_reasons: reasons } = await cluster.api<{ wait_reasons: { reason: string; text: string }[] }>(
          `/buildrequests/${requestId}/wait_reason`,
        );
        text = reasons[0]!.text;
        return reasons[0]!.reason === reason;
      },
      { timeoutMs: 60_000, what: `request ${requestId} to wait for ${reason}` },
    );
    return text;
  };
  const workerOf = ({ properties }: Build): unknown => properties['workername']![0];

  it('a build begins when its callback agrees, and until then the request says whom it waits for', async () => {
    const request = await triggered('guarded');
    expect(await waitsFor(request, 'callback')).toBe(
      "A callback of this builder's configuration decides: canStartBuild refused it on every free worker.",
    );
    expect((await ended(await triggered('plain'))).results).toBe(Result.SUCCESS);
    open('guarded');
    expect((await ended(request)).results).toBe(Result.SUCCESS);
  }, 120_000);

  it('callbacks choose the request and the worker', async () => {
    const plain = await triggered('urgent-first');
    const urgent = await triggered('urgent-first', { urgent: true });
    await waitsFor(plain, 'callback');
    open('urgent-first');
    expect((await ended(urgent)).results).toBe(Result.SUCCESS);
    expect(await waitsFor(plain, 'callback')).toContain('nextBuild chose no request');
    for (const request of [await triggered('on-other'), await triggered('on-other')])
      expect(workerOf(await ended(request))).toBe('other');
  }, 120_000);

  it('a callback that fails or does not end is named, and holds up nobody', async () => {
    const endless = await triggered('endless');
    const broken = await ended(await triggered('broken'));
    expect(broken.results).toBe(Result.SUCCESS);
    // What an engine prints comes through two pipes, and may be here later than the build's end.
    const warning = "the callback nextWorker failed: 'builders.4.nextWorker' threw: no idea";
    await eventually(() => cluster.output.some((line) => line.includes(warning)), { what: 'the warning' });
    expect(await waitsFor(endless, 'callback')).toContain(
      "canStartBuild failed: 'builders.5.canStartBuild' ran for more than 2000 ms",
    );
    expect((await ended(await triggered('plain'))).results).toBe(Result.SUCCESS);
  }, 120_000);

  it('a builder has no more builds at a time than its maxBuilds, on all workers', async () => {
    const requests = [await triggered('one-at-a-time'), await triggered('one-at-a-time')];
    expect(await waitsFor(requests[1]!, 'locks')).toContain("waiting for the lock 'builder:one-at-a-time'");
    open('one-at-a-time');
    for (const request of requests) expect((await ended(request)).results).toBe(Result.SUCCESS);
  }, 120_000);

  it('a renamed builder keeps its builds, and what waits for a removed one is cancelled with the reason', async () => {
    const database = stack.database ?? `sqlite:${join(stack.folder, 'millrace.sqlite')}`;
    const built = await ended(await triggered('before'));
    for (const { workerid } of (await cluster.api<{ workers: { workerid: number }[] }>('/workers')).workers)
      await cluster.call(`/workers/${workerid}`, 'pause', { reason: 'so that requests wait' });
    const [leaving, renamed] = [await triggered('leaving'), await triggered('before')];
    open('no-leaving');
    open('renamed');
    const { status, stderr, stdout: said } = await millraceSoon(['reconfig', '--database', database]);
    expect([status, stderr + said]).toEqual([0, expect.any(String)]);
    await eventually(async () => (await api.request(leaving)).complete, { timeoutMs: 60_000, what: 'the cancelling' });
    expect(await api.request(leaving)).toMatchObject({
      results: Result.CANCELLED,
      reason: "no configuration has the builder 'leaving' any more",
    });
    expect(await api.request(renamed)).toMatchObject({ complete: false });
    const id = await api.builderId('after');
    expect((await api.builds(`builderid=${id}`)).map(({ buildid }) => buildid)).toEqual([built.buildid]);
    const { stdout } = await millraceSoon(['config', 'diff', '--database', database]);
    expect(stdout).toMatch(/before[\s\S]*after/);
    expect(stdout).toContain('leaving');
    const { revisions } = await cluster.api<{ revisions: object[] }>('/revisions?order=-revisionid&limit=2');
    expect(revisions).toMatchObject([
      { changed: { builders: { added: 1, removed: 2 } }, masters: expect.arrayContaining([expect.any(String)]) },
      { changed: null },
    ]);
    const { stdout: list } = await millraceSoon(['config', 'list', '--database', database]);
    expect(list.split('\n').filter((line) => /^[0-9a-f]{12} /.test(line))).toHaveLength(2);
  }, 120_000);
});
