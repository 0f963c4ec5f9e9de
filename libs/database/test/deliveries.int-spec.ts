import { expect, it } from '@jest/globals';
import { DeliveryStore, openDatabase } from '@millrace/database';
import { configure, onEveryDatabase, register } from './databases.js';

const buildset = (builderIds: number[]) => ({
  schedulerName: 'all',
  reason: 'test',
  sourceStamps: [{ branch: 'main', revision: 'x', repository: '', project: '', codebase: '' }],
  properties: {},
  builderIds,
});

onEveryDatabase('deliveries', (get) => {
  it('makes nothing for a disabled scheduler, but repeats its earlier answers', async () => {
    const { db } = get();
    const ids = await configure(db, await register(db, 'scheduler'), { builders: 1, workers: 1 });
    const deliveries = new DeliveryStore(db);
    const schedulerId = ids.schedulers.get('all')!;
    const deliver = (key: string) =>
      deliveries.deliver({ scope: 'trigger', key, body: 'body' }, () => ({
        ...buildset([...ids.builders.values()]),
        schedulerId,
        cause: `trigger:${key}`,
      }));
    const first = await deliver('before');
    await db.run(`UPDATE schedulers SET enabled = 0 WHERE id = ?`, [schedulerId]);
    try {
      await expect(deliver('after')).rejects.toMatchObject({ code: 'disabled' });
      expect(await deliver('before')).toEqual({ answer: first.answer, repeated: true });
    } finally {
      await db.run(`UPDATE schedulers SET enabled = 1 WHERE id = ?`, [schedulerId]);
    }
  });

  it('repeats the answer to a repeated delivery, and refuses another body, also concurrently', async () => {
    const { db } = get();
    const me = await register(db, 'scheduler');
    const ids = await configure(db, me, { builders: 1, workers: 1 });
    const stores = [
      new DeliveryStore(db),
      new DeliveryStore(openDatabase(get().url)),
      new DeliveryStore(openDatabase(get().url)),
    ];
    const request = { ...buildset([...ids.builders.values()]), schedulerId: null, cause: 'trigger:1' };
    const delivery = { scope: 'trigger', key: `key-${Math.random()}`, body: 'body' };
    const answers = await Promise.all([...stores, ...stores].map((store) => store.deliver(delivery, () => request)));
    expect(new Set(answers.map(({ answer }) => 'uuid' in answer && answer.uuid)).size).toBe(1);
    expect(answers.filter(({ repeated }) => !repeated)).toHaveLength(1);
    await expect(stores[0]!.deliver({ ...delivery, body: 'other' }, () => request)).rejects.toMatchObject({
      code: 'idempotency-conflict',
    });
  });
});
