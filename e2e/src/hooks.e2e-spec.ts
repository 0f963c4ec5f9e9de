import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Result } from '@millrace/domain';
import { type Cluster, eventually, FORGES, hookDelivery } from '@millrace/testing';
import { availableStacks, FIXTURES, millrace, type Stack, startStack } from './stacks.js';

const SECRET = 'the secret of this hook';

interface Decision {
  readonly scheduler: string;
  readonly decision: string;
  readonly reason: string | null;
  readonly buildrequests: readonly { readonly uuid: string; readonly results: number | null }[];
}

describe.each(availableStacks())('a push that a forge delivers, on %s', (name) => {
  let stack: Stack;
  let cluster: Cluster;
  beforeAll(async () => {
    stack = await startStack(name);
    cluster = await stack.start(join(FIXTURES, 'hooks.config.ts'), { E2E_HOOK_SECRET: SECRET });
  }, 180_000);
  afterAll(async () => {
    await cluster?.stop();
    await stack?.stop();
  });

  const deliver = async (
    dialect = 'github',
    { payload = 'push', port = cluster.ports.trigger } = {},
  ): Promise<{ status: number; delivery: number; repeated: boolean }> => {
    const response = await fetch(`http://127.0.0.1:${port}/change_hook/${dialect}`, {
      method: 'POST',
      ...hookDelivery(dialect, payload, SECRET),
    });
    return { status: response.status, ...((await response.json()) as { delivery: number; repeated: boolean }) };
  };
  const changesOf = async (id: number): Promise<{ changeid: number; revision: string }[]> =>
    (await cluster.api<{ changes: { changeid: number; revision: string }[] }>(`/deliveries/${id}/changes`)).changes;
  const decisionsOf = async (changeId: number): Promise<Decision[]> =>
    (await cluster.api<{ decisions: Decision[] }>(`/changes/${changeId}/decisions`)).decisions;

  it('becomes green builds, with a receipt that leads to them and says why others did not build', async () => {
    const { status, delivery, repeated } = await deliver();
    expect([status, repeated]).toEqual([202, false]);
    expect(await deliver()).toMatchObject({ status: 202, delivery, repeated: true });
    await eventually(async () => (await changesOf(delivery)).length === 2, { what: 'the changes', timeoutMs: 30_000 });
    for (const { changeid } of await changesOf(delivery)) {
      await eventually(
        async () =>
          (await decisionsOf(changeid))
            .flatMap(({ buildrequests }) => buildrequests)
            .some(({ results }) => results === Result.SUCCESS),
        { what: 'a green build', timeoutMs: 60_000 },
      );
      expect(await decisionsOf(changeid)).toMatchObject([
        { scheduler: 'main', decision: 'built', buildrequests: [{ results: Result.SUCCESS }] },
        {
          ...{ scheduler: 'releases', decision: 'ignored', buildrequests: [] },
          reason: 'branch filter: `main` does not match /^release\\//',
        },
      ]);
    }
  }, 150_000);

  // The first one comes in by the port of the UI, the others by that of the scheduler.
  it.each(FORGES.filter((dialect) => dialect !== 'github'))(
    'of %s becomes green builds',
    async (dialect) => {
      const { status, delivery } = await deliver(dialect, dialect === 'gitlab' ? { port: cluster.ports.ui } : {});
      expect(status).toBe(202);
      expect(await deliver(dialect)).toMatchObject({ status: 202, delivery, repeated: true });
      await eventually(async () => (await changesOf(delivery)).length > 0, { what: 'the changes', timeoutMs: 30_000 });
      for (const { changeid } of await changesOf(delivery))
        await eventually(
          async () =>
            (await decisionsOf(changeid))
              .flatMap(({ buildrequests }) => buildrequests)
              .some(({ results }) => results === Result.SUCCESS),
          { what: 'a green build', timeoutMs: 60_000 },
        );
    },
    120_000,
  );

  it('makes its changes again only when asked to', async () => {
    const { delivery } = await deliver();
    const attempts = async (): Promise<number> =>
      (await cluster.api<{ deliveries: { attempts: number; state: string }[] }>(`/deliveries/${delivery}`)).deliveries
        .filter(({ state }) => state === 'done')
        .reduce((_sum, one) => one.attempts, 0);
    await cluster.call(`/deliveries/${delivery}`, 'replay');
    await eventually(async () => (await attempts()) === 2, { what: 'the replay', timeoutMs: 30_000 });
    expect(await changesOf(delivery)).toHaveLength(2);
    await cluster.call(`/deliveries/${delivery}`, 'replay', { again: true });
    await eventually(async () => (await changesOf(delivery)).length === 4, { what: 'new changes', timeoutMs: 30_000 });
  }, 90_000);

  it('is told by the command line', async () => {
    const { delivery } = await deliver();
    const database = stack.database ?? `sqlite:${join(stack.folder, 'millrace.sqlite')}`;
    const list = millrace(['deliveries', '--database', database]);
    expect(list.stdout).toMatch(new RegExp(`^${delivery} +github .* done`, 'm'));
    const one = millrace(['deliveries', String(delivery), '--database', database]);
    expect(one.stdout).toContain('releases: ignored: branch filter');
    expect(one.stdout).toMatch(/request [0-9a-f-]{36}/);
  }, 60_000);

  it('says which schedulers were not asked, because somebody had disabled them', async () => {
    const { schedulers } = await cluster.api<{ schedulers: { name: string; schedulerid: number }[] }>('/schedulers');
    const { schedulerid } = schedulers.find((scheduler) => scheduler.name === 'releases')!;
    await cluster.call(`/schedulers/${schedulerid}`, 'enable', { enabled: false });
    const { delivery } = await deliver('github', { payload: 'branch-created' });
    await eventually(async () => (await changesOf(delivery)).length === 1, { what: 'the change', timeoutMs: 30_000 });
    const { changeid } = (await changesOf(delivery))[0]!;
    await eventually(async () => (await decisionsOf(changeid)).length === 2, { what: 'decisions', timeoutMs: 30_000 });
    expect(await decisionsOf(changeid)).toMatchObject([
      { scheduler: 'main', decision: 'ignored' },
      { scheduler: 'releases', decision: 'ignored', reason: 'disabled: the scheduler was not asked' },
    ]);
    const database = stack.database ?? `sqlite:${join(stack.folder, 'millrace.sqlite')}`;
    const { stdout } = millrace(['deliveries', String(delivery), '--database', database]);
    expect(stdout).toContain('releases: ignored: disabled');
  }, 90_000);
});
