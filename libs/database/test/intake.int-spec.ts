import { expect, it } from '@jest/globals';
import {
  DeliveryStore,
  type Incarnation,
  IntakeStore,
  MasterStore,
  type NewChange,
  openDatabase,
  type Ownership,
  OwnershipStore,
  SchedulerStore,
} from '@millrace/database';
import { configure, onEveryDatabase, register } from './databases.js';

const change = (key: string, branch = 'main'): NewChange => ({
  dedupKey: key,
  author: 'Ada <ada@example.org>',
  committer: null,
  comments: `message of ${key} ✓`,
  branch,
  revision: key,
  revlink: '',
  category: null,
  repository: 'file:///r',
  project: 'p',
  codebase: '',
  whenMs: 1000,
  files: ['a.c', 'ö\u{1F600}.c'],
  properties: {},
});
const buildset = (builderIds: number[]) => ({
  schedulerName: 'all',
  reason: 'test',
  sourceStamps: [{ branch: 'main', revision: 'x', repository: '', project: '', codebase: '' }],
  properties: {},
  builderIds,
});

onEveryDatabase('intake', (get) => {
  const own = async (me: Incarnation, name: string): Promise<Ownership> =>
    (await new OwnershipStore(get().db).acquire(name, me, true))!;

  it('makes one change of the same delivery, also when it comes twice at once', async () => {
    const stores = [new IntakeStore(get().db), new IntakeStore(openDatabase(get().url))];
    const answers = await Promise.all(
      stores.map((store) => store.addChanges([change('once-1'), change('once-2'), change('once-1')])),
    );
    expect(answers.flat()).toHaveLength(2);
    const [stored] = await stores[0]!.changes([answers.flat()[0]!]);
    expect(stored).toMatchObject({ comments: 'message of once-1 ✓', files: ['a.c', 'ö\u{1F600}.c'] });
  });

  it('numbers changes in the order in which they become visible, whoever adds them', async () => {
    const stores = [
      new IntakeStore(get().db),
      new IntakeStore(openDatabase(get().url)),
      new IntakeStore(openDatabase(get().url)),
    ];
    const reader = new IntakeStore(get().db);
    let cursor = (await reader.changesAfter(0, 1000)).at(-1)?.seq ?? 0;
    const begin = cursor;
    const seen: number[] = [];
    let writing = true;
    const reading = (async () => {
      for (;;) {
        const wasWriting = writing;
        for (const next of await reader.changesAfter(cursor, 1000)) {
          seen.push(next.seq);
          cursor = next.seq;
        }
        if (!wasWriting) return;
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    await Promise.all(
      stores.flatMap((store, s) => Array.from({ length: 20 }, (_, i) => store.addChanges([change(`order-${s}-${i}`)]))),
    );
    writing = false;
    await reading;
    expect(seen).toEqual(Array.from({ length: 60 }, (_, i) => begin + i + 1));
  });

  it('makes one buildset per change, moves the cursor with it, and is fenced by the scheduler’s epoch', async () => {
    const { db } = get();
    const intake = new IntakeStore(db);
    const schedulers = new SchedulerStore(db);
    const me = await register(db, 'scheduler', { leaseMs: 60_000 });
    const ids = await configure(db, me, { builders: 2, workers: 1 });
    const owner = await own(me, 'scheduler:all');
    const state = await schedulers.scheduler('all');
    const [changeId] = await intake.addChanges([change('decide-1')]);
    const seq = (await intake.changes([changeId!]))[0]!.seq;
    const decisions = [
      {
        decision: { changeId: changeId!, decision: 'built', important: true } as const,
        buildset: buildset([...ids.builders.values()]),
      },
    ];
    const first = await schedulers.decide(owner, state, seq, decisions);
    expect(first).toHaveLength(1);
    expect(await schedulers.decide(owner, state, seq, decisions)).toEqual([]);
    expect((await schedulers.scheduler('all')).cursorSeq).toBe(seq);

    const other = await register(db, 'scheduler');
    expect(await new OwnershipStore(db).acquire('scheduler:all', other, true)).toBeNull();
    await new MasterStore(db).stop(me);
    expect(await new OwnershipStore(db).acquire('scheduler:all', other, false)).toMatchObject({
      epoch: owner.epoch + 1,
    });
    await expect(schedulers.decide(owner, state, seq, decisions)).rejects.toMatchObject({ code: 'fenced' });
  });

  it('takes over from a master that did not say goodbye only when that is allowed', async () => {
    const { db } = get();
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

  it('waits with changes and builds a batch once', async () => {
    const { db } = get();
    const intake = new IntakeStore(db);
    const schedulers = new SchedulerStore(db);
    const me = await register(db, 'scheduler');
    const ids = await configure(db, me, { builders: 1, workers: 1 });
    await db.run(`UPDATE ownerships SET master_id = 0 WHERE name = 'scheduler:all'`);
    const owner = await own(me, 'scheduler:all');
    const state = await schedulers.scheduler('all');
    const changeIds = await intake.addChanges([change('wait-1'), change('wait-2')]);
    const seq = (await intake.changes(changeIds)).at(-1)!.seq;
    await schedulers.decide(
      owner,
      state,
      seq,
      changeIds.map((changeId) => ({ decision: { changeId, decision: 'waiting', important: true } as const })),
    );
    const waiting = await schedulers.waiting(state.schedulerId);
    expect(waiting.map((row) => row.changeId)).toEqual(changeIds);
    expect(waiting[0]!.ageMs).toBeGreaterThanOrEqual(0);
    const made = await schedulers.buildWaiting(owner, state.schedulerId, changeIds, {
      ...buildset([...ids.builders.values()]),
      changeIds,
    });
    expect(made?.requests).toHaveLength(1);
    expect(
      await schedulers.buildWaiting(owner, state.schedulerId, changeIds, buildset([...ids.builders.values()])),
    ).toBeNull();
    expect(await schedulers.waiting(state.schedulerId)).toEqual([]);
    expect((await intake.changesOfBuildset(made!.buildsetId)).map((one) => one.changeId)).toEqual(changeIds);

    const [late] = await intake.addChanges([change('wait-3')]);
    const lateSeq = (await intake.changes([late!]))[0]!.seq;
    const waits = { changeId: late!, decision: 'waiting', important: false } as const;
    await schedulers.decide(owner, await schedulers.scheduler('all'), lateSeq, [{ decision: waits }]);
    expect(await schedulers.waiting(state.schedulerId)).toMatchObject([{ changeId: late, important: false }]);
    await schedulers.dropWaiting(owner, state.schedulerId, [late!]);
    expect(await schedulers.waiting(state.schedulerId)).toEqual([]);

    const gone = schedulers.buildWaiting(owner, state.schedulerId, [late!], buildset([...ids.builders.values()]));
    await expect(gone).rejects.toMatchObject({ code: 'fenced' });
    expect(await db.get(`SELECT COUNT(*) AS n FROM buildsets WHERE cause LIKE ?`, [`changes:${late}-%`])).toEqual({
      n: 0,
    });
  });

  it('makes nothing for a disabled scheduler, but repeats what it answered before', async () => {
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

  it('repeats the answer to the same delivery, refuses another body, under concurrency', async () => {
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
    expect(new Set(answers.map(({ answer }) => answer.uuid)).size).toBe(1);
    expect(answers.filter(({ repeated }) => !repeated)).toHaveLength(1);
    await expect(stores[0]!.deliver({ ...delivery, body: 'other' }, () => request)).rejects.toMatchObject({
      code: 'idempotency-conflict',
    });
  });

  it('refuses what does not fit, naming it, and shortens what may be short', async () => {
    const intake = new IntakeStore(get().db);
    await expect(intake.addChanges([{ ...change('long'), branch: 'b'.repeat(191) }])).rejects.toMatchObject({
      code: 'value-too-long',
      fields: { field: 'branch' },
    });
    const [id] = await intake.addChanges([{ ...change('big'), comments: 'x'.repeat(10 << 20) }]);
    const [stored] = await intake.changes([id!]);
    expect(stored!.comments.length).toBeLessThan(300_000);
    expect(stored!.comments).toMatch(/more characters are in the repository\]$/);
  });
});
