import { beforeEach, expect, it } from '@jest/globals';
import {
  CatalogReads,
  type ChangeMark,
  ConfigurationStore,
  BuildActionStore,
  type Database,
  type DefinitionIds,
  DeliveryReads,
  DeliveryStore,
  type Incarnation,
  IntakeStore,
  type KeptCall,
  MasterStore,
  type Ownership,
  type OwnershipName,
  OwnershipStore,
  type SchedulerRow,
  SchedulerStore,
} from '@millrace/database';
import { FencedError, type SourceStamp } from '@millrace/domain';
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

  const own = async (master: Incarnation, name: OwnershipName): Promise<Ownership> =>
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

  it('remember the last source stamp of each codebase, and only with the decision', async () => {
    const stamp = (codebase: string, revision: string) => ({
      ...{ codebase, revision, branch: 'main', repository: 'r', project: '' },
    });
    const seen = await row();
    const remember = [stamp('app', 'a1'), stamp('lib', 'l1'), stamp('app', 'a2')];
    await schedulers.decide(owner, seen, { ...at(seen), decisions: [], remember });
    const known = async () => [...(await schedulers.known('all'))].sort((a, b) => (a.codebase < b.codebase ? -1 : 1));
    expect(await known()).toEqual([stamp('app', 'a2'), stamp('lib', 'l1')]);
    const stale = { ...at(seen, 99), decisions: [], remember: [stamp('app', 'a3')] };
    const behind = { ...seen, cursors: { ...seen.cursors, changes: seen.cursors.changes + 1 } };
    await expect(schedulers.decide(owner, behind, stale)).rejects.toMatchObject({ code: 'fenced' });
    expect((await known())[0]).toEqual(stamp('app', 'a2'));
  });

  it('build the last call that is kept, once, with the build that made it', async () => {
    const schedulerId = ids.schedulers.get('all')!;
    const sourceStamps = [{ branch: 'main', revision: 'x', repository: '', project: '', codebase: '' }];
    const call = (id: string): KeptCall => ({
      ...{ id, builders: null, reason: null, sourceStamps, properties: { p: [1, 'Trigger'] }, priority: 3 },
      parent: { buildId: 77, relationship: 'Triggered from' },
    });
    const keep = (id: string) =>
      new DeliveryStore(db).deliver(null, () => ({ schedulerId, schedulerName: 'all', keeps: call(id) }));
    expect(await schedulers.keptCall(schedulerId)).toBeNull();
    await Promise.all(['a', 'b', 'c'].map(keep));
    await keep('first');
    const { answer } = await keep('last');
    expect(answer).toEqual({ keptBySchedulerId: schedulerId, buildsAtMs: (await row()).wakeAtMs });
    expect(await schedulers.keptCall(schedulerId)).toEqual(call('last'));
    const shown = async () => (await new CatalogReads(db).schedulers()).find(({ name }) => name === 'all')!.called_at;
    expect(await shown()).toEqual(expect.any(Number));

    const take = async (id: string, cause = `trigger:${id}`) => {
      const seen = await row();
      const decisions = [{ buildsets: [buildset(cause, [])], marks: [], takes: call(id) }];
      return schedulers.decide(owner, seen, { ...at(seen), decisions });
    };
    await expect(take('first')).rejects.toThrow(FencedError);
    expect(await schedulers.keptCall(schedulerId)).toEqual(call('last'));
    const created = await take('last', 'trigger:kept');
    expect(
      await db.get(`SELECT parent_build_id AS parent FROM buildsets WHERE id = ?`, [created[0]!.buildsetId]),
    ).toEqual({ parent: 77 });
    expect(await schedulers.keptCall(schedulerId)).toBeNull();
    expect(await shown()).toBeNull();
    await expect(take('last')).rejects.toThrow(FencedError);
    // An engine that died asks again for what was built: its cause is there.
    await keep('last');
    expect(await take('last', 'trigger:kept')).toEqual([]);
    expect(await schedulers.keptCall(schedulerId)).toBeNull();
  });

  it('keep no call that could not be built later', async () => {
    const schedulerId = ids.schedulers.get('all')!;
    const stamp = { branch: null, revision: null, repository: '', project: '', codebase: '' };
    const keep = (sourceStamps: readonly SourceStamp[]) =>
      new DeliveryStore(db).deliver(null, () => ({
        ...{ schedulerId, schedulerName: 'all' },
        keeps: { id: 'bad', builders: null, reason: null, sourceStamps, properties: {}, priority: null, parent: null },
      }));
    await expect(keep([stamp, stamp])).rejects.toMatchObject({ code: 'bad-source-stamps' });
    const secret = { ...stamp, repository: 'https://u:hunter2@h/x' };
    await expect(keep([secret])).rejects.toMatchObject({ code: 'secret-in-address' });
    expect(await schedulers.keptCall(schedulerId)).toBeNull();
  });

  it('decide in one transaction: buildset, mark, cursor and the time to wake up', async () => {
    const seen = await row();
    const [id] = await changes(1);
    const { seq } = (await intake.changes([id!]))[0]!;
    const decisions = [{ buildsets: [buildset(`change:${id}`, [id!])], marks: [mark(id!, 'built')] }];
    const created = await schedulers.decide(owner, seen, { ...at(seen, seq), decisions, wakeAtMs: 12_345 });
    expect(created).toMatchObject([{ requests: [expect.anything(), expect.anything()] }]);
    expect(await row()).toMatchObject({ cursors: { changes: seq }, wakeAtMs: 12_345 });
    expect(await marks([id!])).toEqual({ [id!]: 'built' });
    expect((await intake.changesOfRequest(created[0]!.requests[0]!.requestId)).map(({ changeId }) => changeId)).toEqual(
      [id],
    );
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

  it('decide only when their state is the one that was seen', async () => {
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

  it('takes over from a master that did not end properly only when that is allowed', async () => {
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

  it('keep changes waiting, and build, drop or keep each of them exactly once', async () => {
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

  /** Reads a configuration with these schedulers on a master. */
  const read = (master: Incarnation, ...names: string[]) =>
    new ConfigurationStore(db).apply(
      master,
      { fingerprint: names.join('-') || 'none', body: '{}' },
      {
        ...{ projects: [], builders: [], workers: [], changeSources: [] },
        schedulers: names.map((name) => ({ name, kind: 'test' })),
      },
      { serves: false },
    );
  const named = () => `scheduler-${++made}`;
  const standing = async (name: string) => {
    const found = await schedulers.scheduler(name);
    const resource = (await new CatalogReads(db).schedulers()).find((one) => one.name === name)!;
    return { row: found, backlog: resource.backlog };
  };
  /** Decides about everything up to now. */
  const catchUp = async (name: string, now: ChangeMark['now'] = 'ignored') => {
    const seen = await schedulers.scheduler(name);
    const found = await intake.changesAfter(seen.cursors.changes, 1000);
    const last = found.at(-1)?.seq ?? seen.cursors.changes;
    const decisions = [{ buildsets: [], marks: found.map(({ changeId }) => mark(changeId, now)) }];
    await schedulers.decide(await own(me, `scheduler:${name}`), seen, { ...at(seen, last), decisions });
  };
  const today = async (): Promise<number> =>
    (await db.get<{ value: number }>(`SELECT value FROM counters WHERE name = 'change-seq'`))!.value;

  it('continue at their cursors when their master returns, or another one with them', async () => {
    const name = named();
    await read(me, name);
    await catchUp(name);
    await changes(3);
    await read(me, name);
    await new MasterStore(db).stop(me);
    me = await register(db, 'scheduler');
    await read(me, name);
    expect(await standing(name)).toMatchObject({ row: { cursors: { changes: (await today()) - 3 } }, backlog: 0 });
  });

  it('begin from now on when they are configured again, with the missed changes as backlog', async () => {
    const name = named();
    await read(me, name);
    await changes(2);
    await catchUp(name, 'waiting');
    await read(me);
    await changes(3);
    await read(me, name);
    expect(await standing(name)).toMatchObject({ row: { cursors: { changes: await today() } }, backlog: 5 });
    const { schedulerId } = await schedulers.scheduler(name);
    expect((await schedulers.waiting(schedulerId)).waiting).toEqual([]);
  });

  it('are in use as long as a living master has them', async () => {
    const name = named();
    const other = await register(db, 'scheduler');
    await read(me, name);
    await read(other, name);
    await read(me);
    await changes(1);
    await read(me, name);
    expect(await standing(name)).toMatchObject({ row: { cursors: { changes: (await today()) - 1 } } });

    await read(me);
    await new MasterStore(db).stop(other);
    await read(me);
    await changes(1);
    await read(me, name);
    expect(await standing(name)).toMatchObject({ row: { cursors: { changes: await today() } }, backlog: 2 });
  });

  it('decide nothing while they are disabled, and begin from now on when they are enabled', async () => {
    const name = named();
    await read(me, name);
    const control = new BuildActionStore(db);
    const seen = await schedulers.scheduler(name);
    await changes(2);
    await catchUp(name, 'waiting');
    const late = await schedulers.scheduler(name);
    await control.enableScheduler(seen.schedulerId, false);
    const decided = { ...at(late), decisions: [] };
    await expect(schedulers.decide(await own(me, `scheduler:${name}`), late, decided)).rejects.toMatchObject({
      code: 'fenced',
    });
    expect(await standing(name)).toMatchObject({ row: { enabled: false }, backlog: 2 });
    const [missed] = await changes(3);
    const decision = async (changeId: number) =>
      (await new DeliveryReads(db).decisions(changeId)).find(({ scheduler }) => scheduler === name);
    expect(await decision(missed!)).toMatchObject({
      ...{ decision: 'ignored', reason: 'disabled: the scheduler was not asked', decided_at: null },
    });
    expect(await standing(name)).toMatchObject({ backlog: 5 });
    await expect(control.settleBacklog(seen.schedulerId, 'take')).rejects.toMatchObject({ code: 'disabled' });
    await control.enableScheduler(seen.schedulerId, true);
    await control.enableScheduler(seen.schedulerId, true);
    expect(await standing(name)).toMatchObject({
      row: { enabled: true, cursors: { changes: await today() } },
      backlog: 5,
    });
    const [later] = await changes(1);
    expect(await decision(later!)).toBeUndefined();
    expect(await decision(missed!)).toMatchObject({
      reason: expect.stringContaining('it is in the backlog') as unknown,
    });
    await catchUp(name);
    expect(await decision(later!)).toMatchObject({ decision: 'ignored', reason: null });
    expect(await standing(name)).toMatchObject({ backlog: 5 });
    await control.settleBacklog(seen.schedulerId, 'drop');
    expect(await decision(missed!)).toBeUndefined();
  });

  it.each(['take', 'drop'] as const)('%s their backlog by choice', async (how) => {
    const name = named();
    await read(me, name);
    await changes(1);
    await catchUp(name);
    await read(me);
    const missed = await changes(2);
    await read(me, name);
    const later = await changes(1);
    await catchUp(name);
    const control = new BuildActionStore(db);
    const { schedulerId, cursors } = await schedulers.scheduler(name);
    await control.settleBacklog(schedulerId, how);
    const after = await standing(name);
    expect(after.backlog).toBe(0);
    const told = (await intake.changesAfter(after.row.cursors.changes, 10)).map(({ changeId }) => changeId);
    expect(told).toEqual(how === 'take' ? [...missed, ...later] : []);
    if (how === 'drop') expect(after.row.cursors).toEqual(cursors);
    await expect(control.settleBacklog(schedulerId, how)).rejects.toMatchObject({ code: 'no-backlog' });
    await expect(control.settleBacklog(987_654, how)).rejects.toMatchObject({ code: 'not-found' });
  });

  it('are not found when they do not exist', async () => {
    await expect(schedulers.scheduler('nobody')).rejects.toMatchObject({ code: 'not-found' });
  });
});
