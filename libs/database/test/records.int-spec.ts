import { beforeAll, beforeEach, expect, it } from '@jest/globals';
import {
  type BuildEntry,
  type ClaimedBuild,
  ClaimStore,
  createBuildset,
  type DefinitionIds,
  EVERYTHING,
  type Incarnation,
  Journal,
  RecentReads,
  RecordReads,
  withFilter,
} from '@millrace/database';
import { NO_SOURCE, type TestResult } from '@millrace/domain';
import { configure, onEveryDatabase, register } from './databases.js';

onEveryDatabase('what steps record', (get) => {
  let me: Incarnation;
  let ids: DefinitionIds;
  let causes = 0;
  let build: ClaimedBuild;
  let journal: Journal;

  beforeAll(async () => {
    me = await register(get().db, 'engine');
    ids = await configure(get().db, me, { builders: 1, workers: 1 });
  });

  beforeEach(async () => {
    const { db } = get();
    await db.run(`DELETE FROM claims`);
    const builderId = ids.builders.get('b0')!;
    const created = await db.transaction((tx) =>
      createBuildset(tx, {
        schedulerId: null,
        schedulerName: 'test',
        cause: `records:${++causes}`,
        reason: 'test',
        sourceStamps: [NO_SOURCE],
        properties: {},
        builderIds: [builderId],
      }),
    );
    const workerId = ids.workers.get('w0')!;
    const candidate = { builderId, builderName: 'b0', workerId, workerName: 'w0', properties: {} };
    const [claimed] = await new ClaimStore(db).claim(me, [
      { requestId: created!.requests[0]!.requestId, ...candidate },
    ]);
    build = claimed!;
    journal = new Journal(db, me, () => undefined);
    await journal.write(build, [{ kind: 'step-started', number: 0, name: 'test', hidden: false, resumable: true }]);
  });

  const reads = (): RecordReads => new RecordReads(get().db);
  const test = (name: string, more: Partial<TestResult> = {}): TestResult => ({
    ...{ name, codePath: null, line: null, durationNs: null, value: '1', message: null },
    ...more,
  });
  const set = { ordinal: 0, description: 'unit tests', category: 'pass_fail', valueUnit: 'boolean' } as const;
  const tests = (from: number, results: readonly TestResult[], isComplete = false): BuildEntry => ({
    ...{ kind: 'test-results', step: 0, set, from, results, isComplete },
  });
  const setsOfBuild = async () => (await reads().testSets(withFilter(EVERYTHING, 'buildid', build.buildId))).rows;
  const resultsOf = async (setId: number) =>
    (await reads().testResults(withFilter(EVERYTHING, 'test_result_setid', setId))).rows;

  it('keeps values of a build as they are, and the last one of each name', async () => {
    const bytes = Buffer.from([0, 255, 39, 92, 10]);
    const data = (name: string, value: Buffer) => ({ kind: 'build-data', name, source: 's', value }) as const;
    await journal.write(build, [data('b', Buffer.from('old')), data('a', bytes)]);
    await journal.write(build, [data('b', Buffer.from('é'))]);
    expect(await reads().dataOfBuild(build.buildId)).toEqual([
      { buildid: build.buildId, name: 'a', source: 's', length: 5, value: null },
      { buildid: build.buildId, name: 'b', source: 's', length: 2, value: null },
    ]);
    expect(await reads().dataValue(build.buildId, 'a')).toEqual(bytes);
    expect(await reads().data(build.buildId, 'c')).toBeNull();
    expect(await reads().dataValue(build.buildId, 'c')).toBeNull();
  });

  it('counts the results of a set, and completes it', async () => {
    const failing = test('b', { value: '0', message: 'no', codePath: 'b.py', line: 3, durationNs: 5e12 });
    const committed = await journal.write(build, [tests(0, [test('a'), failing])]);
    const [row] = await setsOfBuild();
    expect(committed.testSets).toEqual([{ setId: row!.test_result_setid, event: 'new' }]);
    expect(row).toMatchObject({ tests_passed: 1, tests_failed: 1, complete: false, description: 'unit tests' });
    const before = (await new RecentReads(get().db).states('test_result_sets')).get(row!.test_result_setid);
    expect(before).toEqual({ state: '0', isOver: false });

    expect((await journal.write(build, [tests(2, [test('c')], true)])).testSets).toEqual([
      { setId: row!.test_result_setid, event: 'completed' },
    ]);
    expect((await setsOfBuild())[0]).toMatchObject({ tests_passed: 2, tests_failed: 1, complete: true });
    expect((await resultsOf(row!.test_result_setid)).map((one) => [one.test_name, one.value, one.message])).toEqual([
      ['a', '1', null],
      ['b', '0', 'no'],
      ['c', '1', null],
    ]);
    expect((await resultsOf(row!.test_result_setid))[1]).toMatchObject({
      ...{ builderid: row!.builderid, line: 3, duration_ns: 5e12, test_code_path: 'b.py' },
    });
    expect(await reads().testSetsByIds([row!.test_result_setid])).toEqual(await setsOfBuild());
  });

  it('stores what a step records again, at another engine, once', async () => {
    await journal.write(build, [tests(0, [test('a'), test('b')])]);
    const again = new Journal(get().db, me, () => undefined);
    await again.recall(build.buildId);
    await again.write(build, [tests(0, [test('a')])]);
    await again.write(build, [tests(1, [test('b'), test('c')])]);
    await again.write(build, [tests(3, [], true)]);
    const [row, ...more] = await setsOfBuild();
    expect([row, more]).toMatchObject([{ tests_passed: 3, complete: true }, []]);
    expect((await resultsOf(row!.test_result_setid)).map((one) => one.test_name)).toEqual(['a', 'b', 'c']);
  });

  it('takes more results than fit into one statement, and pages them', async () => {
    const many = Array.from({ length: 1000 }, (_, i) => test(`t${i}`));
    await journal.write(build, [tests(0, many, true)]);
    const [row] = await setsOfBuild();
    const page = await reads().testResults({
      ...withFilter(EVERYTHING, 'test_result_setid', row!.test_result_setid),
      limit: 10,
      offset: 500,
    });
    expect([page.rows[0]!.test_name, page.more !== null]).toEqual(['t500', true]);
  });

  it('keeps sets without counts apart', async () => {
    const speed = { ...set, ordinal: 1, category: 'performance', valueUnit: 'ms', description: null } as const;
    await journal.write(build, [
      tests(0, [test('a')]),
      { kind: 'test-results', step: 0, set: speed, from: 0, results: [test('x', { value: '12' })], isComplete: true },
    ]);
    expect((await setsOfBuild()).map((one) => [one.category, one.tests_passed, one.tests_failed])).toEqual([
      ['pass_fail', 1, 0],
      ['performance', null, null],
    ]);
  });
});
