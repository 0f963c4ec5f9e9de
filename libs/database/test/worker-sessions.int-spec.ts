import { beforeAll, expect, it } from '@jest/globals';
import { CatalogReads, type Incarnation, WorkerStore } from '@millrace/database';
import { configure, onEveryDatabase, register } from './databases.js';

const WORKERS = 500;

onEveryDatabase('sessions of workers', (get) => {
  let me: Incarnation;
  let ids: number[];
  beforeAll(async () => {
    me = await register(get().db, 'engine');
    ids = [...(await configure(get().db, me, { builders: 2, workers: WORKERS })).workers.values()];
  });

  const rows = () =>
    get().db.all<{ id: number; epoch: number; info: string; resumes: number; master: number | null }>(
      `SELECT id, session_epoch AS epoch, info, resumes, master_id AS master FROM workers ORDER BY id`,
    );

  it('begin for a whole fleet at once, each with its own epoch and information', async () => {
    const store = new WorkerStore(get().db);
    const epochs = await Promise.all(
      ids.map((id) => store.attached(id, me, { version: `v${id}` }, { resumes: id % 2 === 0 })),
    );
    expect(epochs).toEqual(ids.map(() => 1));
    for (const { id, epoch, info, resumes, master } of await rows()) {
      expect({ epoch, info, resumes, master }).toEqual({
        epoch: 1,
        info: `{"version":"v${id}"}`,
        resumes: id % 2 === 0 ? 1 : 0,
        master: me.masterId,
      });
    }
  });

  it('show a limited part of a worker’s information, also of that stored by an earlier release', async () => {
    const reads = new CatalogReads(get().db);
    const shown = async (id: number) => (await reads.workers([id]))[0]!.workerinfo;
    const [id] = ids;
    await get().db.run(`UPDATE workers SET info = ? WHERE id = ?`, [JSON.stringify({ big: 'x'.repeat(2 << 20) }), id!]);
    expect(JSON.stringify(await shown(id!)).length).toBeLessThan(200);
    expect(await shown(id!)).toHaveProperty('left_out');
    await new WorkerStore(get().db).attached(ids.at(-1)!, me, { big: '\u001b'.repeat(50_000) });
    expect(JSON.stringify(await shown(ids.at(-1)!)).length).toBeLessThan(200);
    expect(await shown(ids[1]!)).toEqual({ version: `v${ids[1]}` });
    await get().db.run(`UPDATE workers SET session_epoch = 1 WHERE id = ?`, [ids.at(-1)!]);
  });

  it('are numbered when one worker connects several times at once, also to two masters', async () => {
    const other = await register(get().db, 'engine');
    const store = new WorkerStore(get().db);
    const epochs = await Promise.all([
      store.attached(ids[0]!, me, {}),
      store.attached(ids[0]!, other, {}),
      store.attached(ids[1]!, me, {}),
      store.attached(ids[0]!, me, {}),
    ]);
    expect(epochs).toEqual([2, 3, 2, 4]);
  });

  it('end together, except those that a newer session has replaced', async () => {
    const store = new WorkerStore(get().db);
    await Promise.all(ids.map((id) => store.detached(id, 1)));
    const still = (await rows()).filter(({ master }) => master !== null).map(({ id }) => id);
    expect(still).toEqual([ids[0], ids[1]]);
  });

  it('leave everything as it was when the same configuration is applied again', async () => {
    const before = await rows();
    const again = await configure(get().db, me, { builders: 2, workers: WORKERS });
    expect([...again.workers.values()]).toEqual(ids);
    expect(await rows()).toEqual(before);
    const served = await get().db.get<{ count: number }>(`SELECT COUNT(*) AS count FROM worker_builders`);
    expect(served!.count).toBe(2 * WORKERS);
  });
});
