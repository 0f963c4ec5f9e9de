import { beforeAll, expect, it } from '@jest/globals';
import { type Database, GroupedWrites, type Incarnation, type Transaction, WorkerStore } from '@millrace/database';
import { configure, onEveryDatabase, register } from './databases.js';

const WORKERS = 300;

/** Counts the transactions that reach the database. */
function counting(db: Database): { db: Database; count(): number } {
  let transactions = 0;
  const counted: Database = {
    dialect: db.dialect,
    all: (sql, params) => db.all(sql, params),
    get: (sql, params) => db.get(sql, params),
    run: (sql, params) => db.run(sql, params),
    transaction: (work) => {
      transactions++;
      return db.transaction(work);
    },
    close: () => db.close(),
  };
  return { db: counted, count: () => transactions };
}

onEveryDatabase('GroupedWrites', (get) => {
  let me: Incarnation;
  let ids: number[];
  beforeAll(async () => {
    me = await register(get().db, 'engine');
    ids = [...(await configure(get().db, me, { builders: 1, workers: WORKERS })).workers.values()];
  });

  it('attaches hundreds of workers in a few transactions, each with an epoch of its own', async () => {
    const { db, count } = counting(get().db);
    const store = new WorkerStore(new GroupedWrites(db));
    const first = await Promise.all(ids.map((id) => store.attached(id, me, { version: 'x' })));
    expect(first).toEqual(ids.map(() => 1));
    // One at once, and the others while it was under way.
    expect(count()).toBe(1 + Math.ceil((WORKERS - 1) / 100));
    const again = await Promise.all([store.attached(ids[0]!, me, {}), store.attached(ids[0]!, me, {})]);
    expect(again).toEqual([2, 3]);
  });

  it('lets a write that fails fail alone, and keeps the others', async () => {
    const grouped = new GroupedWrites(get().db);
    const touch = (id: number) => (tx: Transaction) =>
      tx.run(`UPDATE workers SET info = ? WHERE id = ?`, [`"${id}"`, id]);
    const outcomes = await Promise.allSettled([
      grouped.transaction(touch(ids[0]!)),
      grouped.transaction(touch(ids[1]!)),
      grouped.transaction(async (tx) => {
        await touch(ids[2]!)(tx);
        throw new Error('no');
      }),
      grouped.run(`UPDATE nothing SET x = 1`),
      grouped.run(`UPDATE workers SET info = ? WHERE id = ?`, [`"${ids[3]!}"`, ids[3]!]),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual([
      'fulfilled',
      'fulfilled',
      'rejected',
      'rejected',
      'fulfilled',
    ]);
    const infos = await Promise.all(
      ids.slice(0, 4).map((id) => get().db.get<{ info: string }>(`SELECT info FROM workers WHERE id = ?`, [id])),
    );
    expect(infos.map((row, i) => row!.info === `"${ids[i]!}"`)).toEqual([true, true, false, true]);
  });
});
