import { beforeEach, expect, it } from '@jest/globals';
import {
  type ChangeMark,
  ConfigurationStore,
  type Database,
  type DefinitionIds,
  type Incarnation,
  IntakeStore,
  MasterStore,
  type Ownership,
  OwnershipStore,
  type SchedulerRow,
  SchedulerStore,
} from '@millrace/database';
import { configure, onEveryDatabase, register } from './databases.js';

let made = 0;

onEveryDatabase('schedulers', (get) => {
  let db: Database;
  let me: Incarnation;
  let ids: DefinitionIds;
  let owner: Ownership;
  let schedulers: SchedulerStore;
  let intake: IntakeStore;
  beforeEach(async () => {
    ({ db } = get());
    if (me) await new MasterStore(db).stop(me).catch(() => undefined);
    me = await register(db, 'scheduler');
    ids = await configure(db, me, { builders: 2, workers: 1 });
    owner = await own(me, 'scheduler:all');
    schedulers = new SchedulerStore(db);
    intake = new IntakeStore(db);
  });

  const own = async (master: Incarnation, name: string): Promise<Ownership> =>
    (await new OwnershipStore(db).acquire(name, master, true))!;
  const row = (): Promise<SchedulerRow> => schedulers.scheduler('all');
  const changes = async (count: number): Promise<number[]> =>
    intake.addChanges(
      Array.from({ length: count }, () => ({
        ...{ dedupKey: `change-${++made}`, author: 'Ada', committer: null, comments: '', branch: 'main', revlink: '' },
        ...{ revision: `r${made}`, category: null, repository: 'r', project: '', codebase: '', whenMs: 0, files: [] },
        properties: {},
      })),
    );
  const buildset = (cause: string, changeIds: readonly number[]) => ({
    ...{ cause, changeIds, reason: 'test', properties: {}, builderIds: [...ids.builders.values()] },
    sourceStamps: [{ branch: 'main', revision: 'x', repository: '', project: '', codebase: '' }],
  });
  const mark = (changeId: number, now: ChangeMark['now'], was: ChangeMark['was'] = 'new'): ChangeMark => ({
    ...{ changeId, now, was, important: true },
  });
  const at = (seen: SchedulerRow, cursor = seen.cursors.changes) => ({
    ...{ cursors: { ...seen.cursors, changes: cursor }, wakeAtMs: null },
  });
  const marks = async (changeIds: readonly number[]): Promise<Record<number, string>> =>
    Object.fromEntries(
      (
        await db.all<{ id: number; decision: string }>(
          `SELECT change_id AS id, decision FROM scheduler_changes WHERE scheduler_id = ?`,
          [ids.schedulers.get('all')!],
        )
      )
        .filter(({ id }) => changeIds.includes(id))
        .map(({ id, decision }) => [id, decision]),
    );

  it('decide in one transaction: buildset, mark, cursor and the time to wake up', async () => {
    const seen = await row();
    const [id] = await changes(1);
    const { seq } = (await intake.changes([id!]))[0]!;
    const decisions = [{ buildsets: [buildset(`change:${id}`, [id!])], marks: [mark(id!, 'built')] }];
    const created = await schedulers.decide(owner, seen, { ...at(seen, seq), decisions, wakeAtMs: 12_345 });
    expect(created).toMatchObject([{ requests: [expect.anything(), expect.anything()] }]);
    expect(await row()).toMatchObject({ cursors: { changes: seq }, wakeAtMs: 12_345 });
    expect(await marks([id!])).toEqual({ [id!]: 'built' });
    expect((await intake.changesOfBuildset(created[0]!.buildsetId)).map(({ changeId }) => changeId)).toEqual([id]);
    expect(await db.get(`SELECT buildset_id AS buildsetId FROM scheduler_changes WHERE change_id = ?`, [id!])).toEqual({
      buildsetId: created[0]!.buildsetId,
    });
  });

  it('decide about a change once, and make one buildset for a cause', async () => {
    const [id] = await changes(1);
    const decisions = [{ buildsets: [buildset(`change:${id}`, [id!])], marks: [mark(id!, 'built')] }];
    const again = async () => {
      const seen = await row();
      return schedulers.decide(owner, seen, { ...at(seen), decisions });
    };
    expect(await again()).toHaveLength(1);
    expect(await again()).toEqual([]);
    const seen = await row();
    const other = [{ buildsets: [buildset(`change:${id}`, [])], marks: [] }];
    expect(await schedulers.decide(owner, seen, { ...at(seen), decisions: other })).toEqual([]);
  });

  it('decide only where they stand as they were seen', async () => {
    const seen = await row();
    const [id] = await changes(1);
    const decided = {
      ...at(seen, seen.cursors.changes + 1),
      decisions: [{ buildsets: [], marks: [mark(id!, 'ignored')] }],
    };
    await db.run(`UPDATE schedulers SET cursor_seq = cursor_seq + 1 WHERE id = ?`, [seen.schedulerId]);
    await expect(schedulers.decide(owner, seen, decided)).rejects.toMatchObject({ code: 'fenced' });
    expect(await marks([id!])).toEqual({});
  });

  it('decide on one master at a time', async () => {
    const seen = await row();
    const other = await register(db, 'scheduler');
    expect(await new OwnershipStore(db).acquire('scheduler:all', other, true)).toBeNull();
    await new MasterStore(db).stop(me);
    expect(await new OwnershipStore(db).acquire('scheduler:all', other, false)).toMatchObject({
      epoch: owner.epoch + 1,
    });
    await expect(schedulers.decide(owner, seen, { ...at(seen), decisions: [] })).rejects.toMatchObject({
      code: 'fenced',
    });
    me = other;
  });

  it('takes over from a master that did not say goodbye only when that is allowed', async () => {
    const store = new OwnershipStore(db);
    const dead = await register(db, 'scheduler', { name: 'dead' });
    await own(dead, 'poller:x');
    await db.run(`UPDATE masters SET lease_until_ms = 0 WHERE id = ?`, [dead.masterId]);
    const other = await register(db, 'scheduler');
    expect(await store.acquire('poller:x', other, false)).toBeNull();
    expect(await store.acquire('poller:x', other, true)).not.toBeNull();
    // Its own next life does not have to wait.
    const again = await register(db, 'scheduler', { name: 'dead' });
    await own(again, 'poller:y');
    const third = await register(db, 'scheduler', { name: 'dead', pid: 1 }).catch((error: unknown) => error);
    expect(third).toMatchObject({ code: 'master-name-in-use' });
  });

  it('keep changes waiting, and build, drop or keep on waiting each of them once', async () => {
    const seen = await row();
    const [one, two, three] = (await changes(3)) as [number, number, number];
    const all = [one, two, three];
    const waiting = { buildsets: [], marks: all.map((id) => mark(id, 'waiting')) };
    await schedulers.decide(owner, seen, { ...at(seen), decisions: [waiting] });
    const found = await schedulers.waiting(seen.schedulerId);
    expect(found).toMatchObject({
      waiting: all.map((changeId) => ({ change: { changeId }, important: true, sinceMs: seen.nowMs })),
      hasMore: false,
    });

    const later = await row();
    const decision = {
      buildsets: [buildset(`changes:${one}-${one}`, [one])],
      marks: [mark(one, 'built', 'waiting'), mark(two, 'ignored', 'waiting'), mark(three, 'waiting', 'waiting')],
    };
    expect(await schedulers.decide(owner, later, { ...at(later), decisions: [decision] })).toHaveLength(1);
    expect(await marks(all)).toEqual({ [one]: 'built', [two]: 'ignored', [three]: 'waiting' });
    expect((await schedulers.waiting(seen.schedulerId)).waiting).toMatchObject([
      { change: { changeId: three }, sinceMs: later.nowMs },
    ]);

    const late = {
      buildsets: [buildset(`changes:${two}-${three}`, [two, three])],
      marks: [two, three].map((id) => mark(id, 'built', 'waiting')),
    };
    await expect(schedulers.decide(owner, await row(), { ...at(later), decisions: [late] })).rejects.toMatchObject({
      code: 'fenced',
    });
    expect(await db.get(`SELECT id FROM buildsets WHERE cause = ?`, [`changes:${two}-${three}`])).toBeUndefined();
    expect(await marks(all)).toMatchObject({ [three]: 'waiting' });
  });

  it('begin with what happens from now on', async () => {
    const definitions = { projects: [], builders: [], workers: [], changeSources: [] };
    await changes(3);
    await db.run(`UPDATE counters SET value = value + 5 WHERE name = 'buildset-seq'`);
    const name = `new-${++made}`;
    const schedulersToo = { ...definitions, schedulers: [{ name, kind: 'test' }] };
    await new ConfigurationStore(db).apply(me, { fingerprint: name, body: '{}' }, schedulersToo, { serves: false });
    const counter = async (of: string) =>
      (await db.get<{ value: number }>(`SELECT value FROM counters WHERE name = ?`, [of]))!.value;
    expect((await schedulers.scheduler(name)).cursors).toEqual({
      changes: await counter('change-seq'),
      buildsets: await counter('buildset-seq'),
    });
  });

  it('do not say that they exist when they do not', async () => {
    await expect(schedulers.scheduler('nobody')).rejects.toMatchObject({ code: 'not-found' });
  });
});
