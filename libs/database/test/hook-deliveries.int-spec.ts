import { expect, it } from '@jest/globals';
import {
  CommandStore,
  type Database,
  DeliveryReads,
  EVERYTHING,
  HookDeliveryStore,
  type NewChange,
  type Ownership,
  ownershipName,
  OwnershipStore,
} from '@millrace/database';
import { onEveryDatabase, register } from './databases.js';

let hooks = 0;
/** Returns the name of a hook that no other test uses. */
const newHook = (): string => `hook-${(hooks += 1)}`;

onEveryDatabase('deliveries of hooks', (get) => {
  const store = () => new HookDeliveryStore(get().db);
  const accept = (hook: string, deliveryKey = 'd1', body = '{"é":1}', keepMs = 60_000) =>
    store().accept({
      ...{ hook, dialect: 'github', deliveryKey, headers: { 'x-github-event': 'push' }, query: 'a=1' },
      ...{ body: Buffer.from(body), keepMs, deliveredBy: 'bot: imports' },
    });
  const waitingOf = async (hook: string) => (await store().waiting(hook)).waiting;
  const own = async (db: Database, hook: string): Promise<Ownership> => {
    const me = await register(db, 'scheduler');
    return (await new OwnershipStore(db).acquire(ownershipName.hook(hook), me, true))!;
  };
  const change = (dedupKey: string, rest: Partial<NewChange> = {}): NewChange => ({
    ...{ dedupKey, author: 'Ada', committer: null, comments: '', revlink: '', category: null, whenMs: 0, files: [] },
    ...{ branch: 'main', revision: dedupKey, repository: 'r', project: '', codebase: '', properties: {}, ...rest },
  });
  const row = (deliveryId: number) =>
    get().db.get(
      `SELECT state, reason, read_by AS readBy, attempts, body IS NOT NULL AS hasBody FROM hook_deliveries WHERE id = ?`,
      [deliveryId],
    );
  const changesOf = async (deliveryId: number): Promise<number> =>
    (await get().db.get<{ n: number }>(`SELECT COUNT(*) AS n FROM changes WHERE delivery_id = ?`, [deliveryId]))!.n;

  it('are stored once per key, also when they come at once, and are read as they came', async () => {
    const hook = newHook();
    const answers = await Promise.all([accept(hook), accept(hook), accept(hook)]);
    const { deliveryId } = answers[0];
    expect(answers.map((answer) => answer.deliveryId)).toEqual([deliveryId, deliveryId, deliveryId]);
    expect(answers.filter(({ repeated }) => !repeated)).toHaveLength(1);
    const { rows } = await new DeliveryReads(get().db).list({ ...EVERYTHING, limit: 1000 });
    expect(rows.find(({ deliveryid }) => deliveryid === deliveryId)).toMatchObject({ delivered_by: 'bot: imports' });
    await expect(accept(hook, 'd1', 'other')).rejects.toMatchObject({ code: 'idempotency-conflict' });
    expect(await waitingOf(hook)).toMatchObject([
      { deliveryId, body: '{"é":1}', query: 'a=1', headers: { 'x-github-event': 'push' }, generation: 0 },
    ]);
    await accept(newHook());
    expect(await waitingOf(hook)).toHaveLength(1);
  });

  it('make their changes in the transaction that settles them, or none', async () => {
    const hook = newHook();
    const owner = await own(get().db, hook);
    const { deliveryId } = await accept(hook);
    const [delivery] = await waitingOf(hook);
    const bad = [change(`${hook}-1`), change(`${hook}-2`, { branch: 'b'.repeat(191) })];
    await expect(
      store().settle(owner, [{ delivery: delivery!, outcome: { kind: 'changes', changes: bad } }], 'v'),
    ).rejects.toMatchObject({
      code: 'value-too-long',
    });
    expect([await changesOf(deliveryId), await row(deliveryId)]).toMatchObject([0, { state: 'waiting' }]);
    const good = [change(`${hook}-1`), change(`${hook}-2`)];
    const settled = await store().settle(
      owner,
      [{ delivery: delivery!, outcome: { kind: 'changes', changes: good } }],
      'v',
    );
    expect(settled.changeIds).toHaveLength(2);
    expect([await changesOf(deliveryId), await row(deliveryId)]).toMatchObject([2, { state: 'done', attempts: 1 }]);
    // It was settled: whoever still has it in hand is too late.
    await expect(
      store().settle(owner, [{ delivery: delivery!, outcome: { kind: 'changes', changes: good } }], 'v'),
    ).rejects.toMatchObject({
      code: 'fenced',
    });
  });

  it('cannot be settled by a master that does not own the hook any more', async () => {
    const hook = newHook();
    const owner = await own(get().db, hook);
    await accept(hook);
    const [delivery] = await waitingOf(hook);
    const old = { ...owner, epoch: owner.epoch - 1 };
    await expect(
      store().settle(old, [{ delivery: delivery!, outcome: { kind: 'ignored', reason: 'x' } }], 'v'),
    ).rejects.toMatchObject({
      code: 'fenced',
    });
    expect(await waitingOf(hook)).toHaveLength(1);
  });

  it('are settled together, in order, or none of them where one cannot be', async () => {
    const hook = newHook();
    const owner = await own(get().db, hook);
    const keys = ['a', 'b', 'c', 'd'];
    const ids: number[] = [];
    for (const key of keys) ids.push((await accept(hook, key)).deliveryId);
    const waiting = await waitingOf(hook);
    const read = (changes: (key: string) => NewChange[]) =>
      waiting.map((delivery) => ({
        delivery,
        outcome: { kind: 'changes' as const, changes: changes(delivery.deliveryKey) },
      }));
    const good = (key: string) => Array.from({ length: 90 }, (_, i) => change(`${hook}-${key}-${i}`));
    const bad = (key: string) => [change(`${hook}-${key}`, key === 'b' ? { branch: 'b'.repeat(191) } : {})];
    await expect(store().settle(owner, read(bad), 'v')).rejects.toMatchObject({ code: 'value-too-long' });
    expect(await waitingOf(hook)).toHaveLength(4);
    const { changeIds } = await store().settle(owner, read(good), 'v');
    expect(await waitingOf(hook)).toEqual([]);
    const rows = await get().db.all<{ id: number; deliveryId: number; revision: string }>(
      `SELECT id, delivery_id AS deliveryId, revision FROM changes WHERE delivery_id IN (?, ?, ?, ?) ORDER BY seq`,
      ids,
    );
    expect(rows.map(({ id }) => id)).toEqual(changeIds);
    expect(rows.map(({ deliveryId, revision }) => [deliveryId, revision])).toEqual(
      keys.flatMap((key, i) => good(key).map(({ revision }) => [ids[i], revision])),
    );
    await expect(store().settle(owner, read(good).slice(0, 1), 'v')).rejects.toMatchObject({ code: 'fenced' });
  });

  it('are read some at a time where their bodies are large, and at least one', async () => {
    const hook = newHook();
    const large = 'x'.repeat(3 << 20);
    const ids = [];
    for (const key of ['a', 'b']) ids.push((await accept(hook, key, large)).deliveryId);
    expect(await store().waiting(hook)).toMatchObject({ waiting: [{ deliveryId: ids[0] }], hasMore: true });
  });

  it('of 2,000 commits are taken in, in their order', async () => {
    const hook = newHook();
    const owner = await own(get().db, hook);
    const { deliveryId } = await accept(hook);
    const [delivery] = await waitingOf(hook);
    const changes = Array.from({ length: 2_000 }, (_, i) => change(`${hook}-${i}`));
    const { changeIds } = await store().settle(
      owner,
      [{ delivery: delivery!, outcome: { kind: 'changes', changes } }],
      'v',
    );
    expect(changeIds).toHaveLength(2_000);
    const rows = await get().db.all<{ revision: string }>(
      `SELECT revision FROM changes WHERE delivery_id = ? ORDER BY seq`,
      [deliveryId],
    );
    expect(rows.map(({ revision }) => revision)).toEqual(changes.map(({ revision }) => revision));
  }, 60_000);

  it('that could not be read are read again by another release or revision, and by that only', async () => {
    const hook = newHook();
    const owner = await own(get().db, hook);
    const { deliveryId } = await accept(hook);
    const [delivery] = await waitingOf(hook);
    await store().settle(owner, [{ delivery: delivery!, outcome: { kind: 'failed', reason: 'no ref' } }], 'v1');
    expect(await row(deliveryId)).toMatchObject({ state: 'failed', reason: 'no ref', readBy: 'v1' });
    expect(await store().retryFailed(owner, hook, 'v1')).toBe(0);
    expect(await store().retryFailed(owner, hook, 'v2')).toBe(1);
    expect(await waitingOf(hook)).toHaveLength(1);
  });

  it('can be replayed as long as their body is kept', async () => {
    const hook = newHook();
    const owner = await own(get().db, hook);
    const { deliveryId } = await accept(hook);
    const [delivery] = await waitingOf(hook);
    await store().settle(owner, [{ delivery: delivery!, outcome: { kind: 'ignored', reason: 'x' } }], 'v');
    expect(await store().replay(deliveryId, { again: false })).toEqual({ hook });
    expect(await waitingOf(hook)).toMatchObject([{ deliveryId, generation: 0 }]);
    await store().replay(deliveryId, { again: true });
    expect(await waitingOf(hook)).toMatchObject([{ deliveryId, generation: 1 }]);
    await expect(store().replay(999_999_999, { again: false })).rejects.toMatchObject({ code: 'not-found' });
  });

  it('lose their body when its time is over', async () => {
    const hook = newHook();
    const kept = await accept(hook, 'kept');
    const due = await accept(hook, 'due', 'x', -1);
    while ((await store().dropBodies()) > 0);
    expect(await row(kept.deliveryId)).toMatchObject({ state: 'waiting', hasBody: 1 });
    expect(await row(due.deliveryId)).toMatchObject({ state: 'failed', hasBody: 0 });
    await expect(store().replay(due.deliveryId, { again: false })).rejects.toMatchObject({ code: 'body-dropped' });
  });

  it('ask the owner of a change source to poll, and say when there is none', async () => {
    const { db } = get();
    const hook = newHook();
    const owner = await own(db, hook);
    const poller = await register(db, 'scheduler');
    await new OwnershipStore(db).acquire(ownershipName.poller(`source of ${hook}`), poller, true);
    const known = await accept(hook, 'known');
    const unknown = await accept(hook, 'unknown');
    const [first, second] = await waitingOf(hook);
    const settled = await store().settle(
      owner,
      [{ delivery: first!, outcome: { kind: 'poll', sources: [`source of ${hook}`] } }],
      'v',
    );
    expect(settled).toEqual({ changeIds: [], askedMasterIds: [poller.masterId] });
    expect(await new CommandStore(db).openCommands(poller.masterId)).toMatchObject([
      { kind: 'poll', source: `source of ${hook}` },
    ]);
    await store().settle(owner, [{ delivery: second!, outcome: { kind: 'poll', sources: ['nowhere'] } }], 'v');
    expect(await row(known.deliveryId)).toMatchObject({ state: 'done' });
    expect(await row(unknown.deliveryId)).toMatchObject({ state: 'failed', reason: expect.stringMatching(/nowhere/) });
  });
});
