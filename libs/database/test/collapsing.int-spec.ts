import { beforeEach, expect, it } from '@jest/globals';
import {
  BuildActionStore,
  BuildReads,
  BuildRequestReads,
  BuildsetReads,
  ChangeReads,
  type ClaimCandidate,
  ClaimStore,
  CollapseQuestionStore,
  ConfigurationStore,
  type CreatedBuildset,
  createBuildset,
  type DefinitionIds,
  type Incarnation,
  type NewBuildset,
  type Ownership,
  ownershipName,
  OwnershipStore,
  WaitingReads,
} from '@millrace/database';
import { FencedError, NO_SOURCE, Result } from '@millrace/domain';
import { onEveryDatabase, register } from './databases.js';

const MAIN = { ...NO_SOURCE, branch: 'main', repository: '/repo' };
let causes = 0;

onEveryDatabase('collapsing', (get) => {
  let me: Incarnation;
  let ids: DefinitionIds;
  const builderId = (name: string): number => ids.builders.get(name)!;

  beforeEach(async () => {
    const { db } = get();
    for (const table of ['queue', 'claims', 'collapsed_requests', 'collapse_questions', 'ownerships'])
      await db.run(`DELETE FROM ${table}`);
    me = await register(db, 'engine');
    const builder = (name: string, collapseRequests: boolean) => ({
      ...{ name, tags: [], workers: ['w'], fingerprint: 'f', collapseRequests },
    });
    ids = await new ConfigurationStore(db).apply(
      me,
      { fingerprint: 'collapsing', body: '{}' },
      {
        projects: [],
        builders: [
          ...[builder('a', true), builder('b', true), builder('each', false)],
          { ...builder('asks', true), collapseCallback: 'builders.3.collapseRequests' },
        ],
        workers: [{ name: 'w', maxBuilds: 1000 }],
        schedulers: [],
        changeSources: [],
      },
      { serves: true },
    );
  });

  const submit = async (revision: string | null, more: Partial<NewBuildset> = {}): Promise<CreatedBuildset> =>
    (await get().db.transaction((tx) =>
      createBuildset(tx, {
        schedulerId: null,
        schedulerName: 'test',
        cause: `collapsing:${++causes}`,
        reason: 'test',
        sourceStamps: [{ ...MAIN, revision }],
        properties: {},
        builderIds: [builderId('a')],
        ...more,
      }),
    ))!;
  const requestOf = ({ requests }: CreatedBuildset, index = 0): number => requests[index]!.requestId;
  const read = (id: number) => new BuildRequestReads(get().db).one(id, []);
  const claim = (requestId: number, builder = 'a') => {
    const candidate: ClaimCandidate = {
      ...{ requestId, builderId: builderId(builder), builderName: builder },
      ...{ workerId: ids.workers.get('w')!, workerName: 'w', properties: {} },
    };
    return new ClaimStore(get().db).claim(me, [candidate]);
  };
  const change = async (revision: string): Promise<number> => {
    const { db } = get();
    const { insertId } = await db.run(
      `INSERT INTO changes (seq, dedup_hash, author, comments, branch, revision, revlink, repository, project, codebase, when_ms,
         received_at_ms, files, properties, source_stamp_id)
       VALUES (?, ?, 'jo', '', 'main', ?, '', '/repo', '', '', 0, 0, '[]', '{}', 1)`,
      [++causes, `collapsing-${causes}`, revision],
    );
    return insertId;
  };

  it('completes the older request as skipped, and with it its buildset; its page says into which', async () => {
    const older = await submit('r1');
    const newer = await submit('r1');
    expect(newer.collapsed).toEqual([
      {
        requestId: requestOf(older),
        builderId: builderId('a'),
        intoRequestId: requestOf(newer),
        completedBuildsetId: older.buildsetId,
      },
    ]);
    expect(await read(requestOf(older))).toMatchObject({
      complete: true,
      results: Result.SKIPPED,
      collapsed_into_buildrequestid: requestOf(newer),
      reason: `collapsed into build request ${requestOf(newer)}`,
    });
    expect(await read(requestOf(newer))).toMatchObject({ complete: false, collapsed_into_buildrequestid: null });
    expect(await claim(requestOf(older))).toEqual([]);
    expect(await claim(requestOf(newer))).toHaveLength(1);
  });

  it.each<[string, () => Promise<unknown>, Partial<NewBuildset>]>([
    ['another branch', () => submit('r1', { sourceStamps: [{ ...MAIN, branch: 'release', revision: 'r1' }] }), {}],
    ['another revision', () => submit('r0'), {}],
    ['another builder', () => submit('r1', { builderIds: [builderId('b')] }), {}],
    ['a request that is being built', async () => claim(requestOf(await submit('r1'))), {}],
    ['a rebuild', () => submit('r1', { rebuiltBuildId: 1 }), {}],
    ['what waits, by a rebuild', () => submit('r1'), { rebuiltBuildId: 1 }],
  ])('leaves alone %s', async (_what, before, newer) => {
    await before();
    expect((await submit('r1', newer)).collapsed).toEqual([]);
  });

  it('leaves alone a builder that wants each request built', async () => {
    const builderIds = [builderId('each')];
    const older = await submit('r1', { builderIds });
    expect((await submit('r1', { builderIds })).collapsed).toEqual([]);
    expect(await read(requestOf(older))).toMatchObject({ complete: false });
  });

  it('is for each builder of a buildset', async () => {
    const older = await submit('r1', { builderIds: [builderId('a'), builderId('b'), builderId('each')] });
    await claim(requestOf(older, 0));
    const newer = await submit('r1', { builderIds: [builderId('b'), builderId('a')] });
    expect(
      newer.collapsed.map(({ requestId, intoRequestId, completedBuildsetId }) => [
        requestId,
        intoRequestId,
        completedBuildsetId,
      ]),
    ).toEqual([[requestOf(older, 1), requestOf(newer, 0), null]]);
  });

  it('leaves alone a request whose build is to be tried again', async () => {
    const older = await submit('r1');
    const [build] = await claim(requestOf(older));
    await new ClaimStore(get().db).end(build!, { results: Result.RETRY, stateString: 'retry' });
    expect((await submit('r1')).collapsed).toEqual([]);
    expect(await claim(requestOf(older))).toHaveLength(1);
  });

  it('follows a chain to its end: the builds, and the changes of all of them', async () => {
    const changes = [await change('r1'), await change('r2'), await change('r3')];
    const made: CreatedBuildset[] = [];
    for (const [i, changeId] of changes.entries()) made.push(await submit(`r${i + 1}`, { changeIds: [changeId] }));
    const last = requestOf(made[2]!);
    const requests = new BuildRequestReads(get().db);
    expect(await Promise.all(made.map((one) => requests.standingFor(requestOf(one))))).toEqual([last, last, last]);
    const [build] = await claim(last);
    const found = await new ChangeReads(get().db).ofBuild(build!.buildId, 100);
    expect(found!.map(({ changeid }) => changeid)).toEqual(changes.toReversed());
    for (const changeId of changes)
      expect(await new BuildReads(get().db).ofChange(changeId, 10)).toEqual([build!.buildId]);
  });

  it('follows a chain longer than one statement does', async () => {
    const { db } = get();
    const values = Array.from({ length: 1203 }, (_, i) => `(${i + 10_000_000}, ${i + 10_000_001})`);
    await db.run(`INSERT INTO collapsed_requests (request_id, into_request_id) VALUES ${values.join(', ')}`);
    const requests = new BuildRequestReads(db);
    expect(await requests.standingFor(10_000_000)).toBe(10_001_203);
    expect(await requests.standingFor(10_000_203)).toBe(10_001_203);
  });

  it('and claims at the same time end each request once: built, or collapsed', async () => {
    for (let round = 0; round < 20; round++) {
      // A claim that is refused, here because the builder is busy on the worker, keeps its request from being collapsed meanwhile.
      await get().db.run(`DELETE FROM claims`);
      const older = await submit('r1');
      const [claimed, ...newer] = await Promise.all([claim(requestOf(older)), submit('r1'), submit('r1')]);
      const collapsed = newer.flatMap((one) => one.collapsed.map(({ requestId }) => requestId));
      expect([claimed.length, collapsed.filter((id) => id === requestOf(older)).length].sort()).toEqual([0, 1]);
      expect(new Set(collapsed).size).toBe(collapsed.length);
    }
  });

  it('a cancelled request collapses nothing', async () => {
    const older = await submit('r1');
    await new BuildActionStore(get().db).cancelRequest(requestOf(older), 'no');
    expect((await submit('r1')).collapsed).toEqual([]);
    expect(await read(requestOf(older))).toMatchObject({
      results: Result.CANCELLED,
      collapsed_into_buildrequestid: null,
    });
  });

  it('leaves requests with a patch alone, and a patch goes where its source stamp goes', async () => {
    const { db } = get();
    const patch = { body: `+ é 😀\n`, level: 0, author: 'Ada', comment: 'try it', subdir: 'src' };
    const plain = await submit('r');
    const patched = { sourceStamps: [{ ...MAIN, revision: 'r', patch }] };
    const [first, second] = [await submit('r', patched), await submit('r', patched)];
    expect([...first.collapsed, ...second.collapsed]).toEqual([]);
    expect(await read(requestOf(plain))).toMatchObject({ complete: false });

    const buildsets = new BuildsetReads(db);
    const [shown] = await buildsets.byIds([first.buildsetId]);
    const [stamp] = shown!.sourcestamps;
    expect(stamp).toMatchObject({ revision: 'r', patch: { ...patch, patchid: stamp!.patch!.patchid } });
    expect(await buildsets.stamp(stamp!.ssid)).toEqual(stamp);
    const listed = await buildsets.byIds([plain.buildsetId, first.buildsetId, second.buildsetId]);
    const withoutBody = { ...stamp!.patch, body: '' };
    expect(listed.map(({ sourcestamps }) => sourcestamps[0]!.patch)).toEqual([null, withoutBody, withoutBody]);
    expect(listed[2]!.sourcestamps[0]!.ssid).toBe(stamp!.ssid);

    const claimed = await claim(requestOf(first));
    expect(claimed.map(({ sourceStamps }) => sourceStamps)).toEqual([patched.sourceStamps]);
    const again = await new BuildActionStore(db).rebuild(claimed[0]!.buildId);
    expect((await buildsets.byIds([again.buildsetId]))[0]!.sourcestamps).toEqual([stamp]);
  });

  const questions = () => new CollapseQuestionStore(get().db);
  const owner = async (): Promise<Ownership> =>
    (await new OwnershipStore(get().db).acquire(ownershipName.collapsing(), me, true))!;
  const open = async () => (await questions().open()).requestIds;
  const asks = (more: Partial<NewBuildset> = {}, revision = 'r1') =>
    submit(revision, { builderIds: [builderId('asks')], ...more });

  it('asks about what waits at the same place, and says what the usual rule would do', async () => {
    const other = await asks({ properties: { mode: ['fast', 'Trigger'] }, reason: 'other mode' });
    const same = await asks({}, 'r2');
    await asks({ sourceStamps: [{ ...MAIN, branch: 'release', revision: 'r2' }] });
    await asks({ rebuiltBuildId: 1 }, 'r2');
    const newer = await asks({ priority: 3 }, 'r2');
    expect(newer.collapsed).toEqual([]);
    expect(await open()).toEqual([requestOf(same), requestOf(newer)]);
    const { db } = get();
    expect(await new CollapseQuestionStore(db).question(requestOf(newer))).toMatchObject({
      builderId: builderId('asks'),
      newer: { requestId: requestOf(newer), priority: 3, reason: 'test', sourceStamps: [{ ...MAIN, revision: 'r2' }] },
      older: [
        { requestId: requestOf(same), isCompatible: true },
        {
          requestId: requestOf(other),
          isCompatible: false,
          reason: 'other mode',
          properties: { mode: ['fast', 'Trigger'] },
        },
      ],
    });
  });

  it('asks about the newest 50 of a long queue', async () => {
    const waiting: number[] = [];
    for (let i = 0; i < 52; i++) waiting.push(requestOf(await asks()));
    const question = await questions().question(waiting.at(-1)!);
    expect(question!.older.map(({ requestId }) => requestId)).toEqual(waiting.toReversed().slice(1, 51));
  });

  it('collapses what the answer names, and asks no more', async () => {
    const [first, second, newer] = [await asks(), await asks(), await asks()];
    const collapsed = await questions().answer(await owner(), requestOf(newer), [requestOf(first)]);
    expect(collapsed).toMatchObject([{ requestId: requestOf(first), completedBuildsetId: first.buildsetId }]);
    expect(await read(requestOf(first))).toMatchObject({
      results: Result.SKIPPED,
      collapsed_into_buildrequestid: requestOf(newer),
    });
    expect(await read(requestOf(second))).toMatchObject({ complete: false });
    expect(await open()).toEqual([requestOf(second)]);
    expect(await questions().answer(await owner(), requestOf(second), [])).toEqual([]);
    expect(await open()).toEqual([]);
  });

  it('does not collapse into a request that is being built, and forgets what was asked about it', async () => {
    const [older, newer] = [await asks(), await asks()];
    await claim(requestOf(newer), 'asks');
    expect(await questions().question(requestOf(newer))).toBeNull();
    expect(await questions().answer(await owner(), requestOf(newer), [requestOf(older)])).toEqual([]);
    expect(await read(requestOf(older))).toMatchObject({ complete: false });
    await questions().forget();
    expect(await open()).toEqual([]);
  });

  it('collapses nothing for a master that is the owner no more', async () => {
    const [older, newer] = [await asks(), await asks()];
    const mine = await owner();
    const gone = { ...mine, epoch: mine.epoch + 1 };
    await expect(questions().answer(gone, requestOf(newer), [requestOf(older)])).rejects.toThrow(FencedError);
    await expect(questions().fail(gone, requestOf(newer), 'no')).rejects.toThrow(FencedError);
    expect(await open()).toEqual([requestOf(newer)]);
  });

  it('keeps why nothing was collapsed for as long as the request waits', async () => {
    await asks();
    const newer = await asks();
    await questions().fail(await owner(), requestOf(newer), 'collapseRequests failed: boom');
    expect(await open()).toEqual([]);
    const reads = new WaitingReads(get().db);
    expect((await reads.of(requestOf(newer)))!.text).toMatch(
      /\. Older requests are not collapsed into it: collapseRequests failed: boom\.$/,
    );
    await questions().forget();
    const kept = () => get().db.all(`SELECT request_id FROM collapse_questions`);
    expect(await kept()).toHaveLength(1);
    await new BuildActionStore(get().db).cancelRequest(requestOf(newer), 'no');
    await questions().forget();
    expect(await kept()).toEqual([]);
  });
});
