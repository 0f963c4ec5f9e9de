import { beforeAll, expect, it } from '@jest/globals';
import {
  BuildActionStore,
  ClaimStore,
  createBuildset,
  type CreatedBuildset,
  type DefinitionIds,
  type Incarnation,
  IntakeStore,
  type Ownership,
  ownershipName,
  OwnershipStore,
  ServiceStore,
} from '@millrace/database';
import { FencedError, NO_SOURCE, Result } from '@millrace/domain';
import { configure, onEveryDatabase, register } from './databases.js';

const MAIN = { ...NO_SOURCE, branch: 'main', repository: '/repo' };
let made = 0;

onEveryDatabase('services', (get) => {
  let me: Incarnation;
  let ids: DefinitionIds;
  let store: ServiceStore;
  let worker = 0;
  const owner = async (name: string): Promise<Ownership> =>
    (await new OwnershipStore(get().db).acquire(ownershipName.service(name), me, true))!;

  beforeAll(async () => {
    me = await register(get().db, 'engine');
    ids = await configure(get().db, me, { builders: 3, workers: 20 });
    store = new ServiceStore(get().db);
  });

  const change = async (source = MAIN) => {
    const intake = new IntakeStore(get().db);
    const { db } = get();
    const { insertId } = await db.run(
      `INSERT INTO changes (seq, dedup_hash, author, comments, branch, revision, revlink, repository, project, codebase, when_ms,
         received_at_ms, files, properties, source_stamp_id)
       VALUES (?, ?, 'jo', '', ?, ?, '', ?, '', '', 0, 0, '[]', '{}', 1)`,
      [1_000_000 + ++made, `services-${made}`, source.branch, `r${made}`, source.repository],
    );
    return (await intake.changes([insertId]))[0]!;
  };
  const buildset = async (builders: number[], changeIds: number[] = []): Promise<CreatedBuildset> =>
    (await get().db.transaction((tx) =>
      createBuildset(tx, {
        schedulerId: null,
        schedulerName: 'test',
        cause: `services:${++made}`,
        reason: 'test',
        sourceStamps: [MAIN],
        changeIds,
        properties: {},
        builderIds: builders.map((n) => ids.builders.get(`b${n}`)!),
      }),
    ))!;
  const claim = async (requestId: number, builder: number) => {
    const name = `w${worker++}`;
    const place = { workerId: ids.workers.get(name)!, workerName: name, properties: {} };
    const builderName = `b${builder}`;
    const candidate = { requestId, builderId: ids.builders.get(builderName)!, builderName, ...place };
    return (await new ClaimStore(get().db).claim(me, [candidate]))[0]!;
  };
  const found = (rows: readonly { readonly requestId: number }[]) =>
    rows.map(({ requestId }) => requestId).sort((a, b) => a - b);

  it('begin now, keep their cursors, and lose them with the ownership', async () => {
    const mine = await owner('cursor');
    const cursors = await store.cursors(mine);
    await change();
    expect(await store.cursors(mine)).toEqual(cursors);
    await store.move(mine, { changes: 5 });
    expect(await store.cursors(mine)).toEqual({ ...cursors, changes: 5 });
    await expect(store.move({ ...mine, epoch: mine.epoch + 1 }, { changes: 6 })).rejects.toThrow(FencedError);
    expect(await store.cursors(mine)).toEqual({ ...cursors, changes: 5 });
  });

  it('find what is open for older changes of a branch only', async () => {
    const branch = `branch-${++made}`;
    const [first, second, elsewhere, fork, newest] = [
      await change({ ...MAIN, branch }),
      await change({ ...MAIN, branch }),
      await change({ ...MAIN, branch: `${branch}-2` }),
      await change({ ...MAIN, branch, repository: '/fork' }),
      await change({ ...MAIN, branch }),
    ];
    const older = await buildset([0, 1], [first.changeId, second.changeId]);
    for (const one of [[elsewhere.changeId], [fork.changeId], [second.changeId, newest.changeId], []])
      await buildset([0], one);
    const [waiting, running] = older.requests.map(({ requestId }) => requestId) as [number, number];
    await claim(running, 1);
    expect(found(await store.olderRequests(newest, { branches: 'same' }))).toEqual([waiting, running]);
    const actions = new BuildActionStore(get().db);
    for (const requestId of [waiting, running]) await actions.cancelRequest(requestId, 'old');
    expect(await store.olderRequests(newest, { branches: 'same' })).toEqual([]);
  });

  it('find what is open for older changes of all branches of a repository, once for each of these', async () => {
    const repository = `/reviews-${++made}`;
    const at = (branch: string) => change({ ...MAIN, repository, branch });
    const [first, second, newest] = [await at('1/1'), await at('1/2'), await at('1/3')];
    const older = await buildset([0], [first.changeId, second.changeId]);
    await buildset([0], [(await change({ ...MAIN, branch: '1/1' })).changeId]);
    const { requestId, builderId } = older.requests[0]!;
    const rows = await store.olderRequests(newest, { branches: 'all' });
    expect(rows.sort((a, b) => (a.branch! < b.branch! ? -1 : 1))).toEqual([
      { requestId, builderId, branch: '1/1' },
      { requestId, builderId, branch: '1/2' },
    ]);
  });

  it('find older changes of the default branch', async () => {
    const source = { ...MAIN, branch: null, repository: `/repo-${++made}` };
    const older = await buildset([0], [(await change(source as never)).changeId]);
    expect(found(await store.olderRequests(await change(source as never), { branches: 'same' }))).toEqual(
      found(older.requests),
    );
  });

  it('find failures of unfinished buildsets, and what is left of these', async () => {
    const mine = await owner('failures');
    const cursors = await store.cursors(mine);
    const [unfinished, finished, green] = [await buildset([0, 1, 2]), await buildset([0]), await buildset([0, 1])];
    const end = async (created: CreatedBuildset, results: Result) => {
      const build = await claim(created.requests[0]!.requestId, 0);
      await new ClaimStore(get().db).end(build, { results, stateString: 'ended' });
    };
    await end(unfinished, Result.FAILURE);
    await end(finished, Result.FAILURE);
    await end(green, Result.SUCCESS);
    const { failures, nowMs } = await store.failures(cursors);
    expect(failures).toMatchObject([
      { requestId: unfinished.requests[0]!.requestId, buildsetId: unfinished.buildsetId },
    ]);
    expect(nowMs).toBeNull();
    expect(found(await store.openRequests(unfinished.buildsetId))).toEqual(found(unfinished.requests.slice(1)));
    expect(await store.sourceStamps(unfinished.buildsetId)).toEqual([MAIN]);
    // The cursor lies ahead of the clock, which was set back.
    expect((await store.failures({ failuresMs: cursors.failuresMs + 3_600_000 })).failures).toHaveLength(1);
    expect((await store.failures({ failuresMs: cursors.failuresMs + 3_600_000 })).nowMs).not.toBeNull();
  });

  it('find what waits for builders that no engine has any more, unless the scheduler knows them', async () => {
    const { db } = get();
    const { requests } = await buildset([2]);
    const [{ requestId, builderId }] = requests as [(typeof requests)[0]];
    expect(await store.requestsWithoutBuilder(new Set())).toEqual([]);
    const other = await register(db, 'engine');
    await configure(db, other, { builders: 3, workers: 20 });
    await configure(db, me, { builders: 2, workers: 20 });
    expect(await store.requestsWithoutBuilder(new Set())).toEqual([]);
    await configure(db, other, { builders: 2, workers: 20 });
    const waiting = await store.requestsWithoutBuilder(new Set());
    expect(found(waiting)).toContain(requestId);
    expect(new Set(waiting.map(({ builder }) => builder))).toEqual(new Set(['b2']));
    expect(await store.requestsWithoutBuilder(new Set([builderId]))).toEqual([]);
  });
});
