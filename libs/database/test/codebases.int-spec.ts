import { beforeAll, expect, it } from '@jest/globals';
import {
  CodebaseReads,
  ConfigurationStore,
  EVERYTHING,
  IntakeStore,
  type NewChange,
  type Ownership,
  OwnershipStore,
  withFilter,
} from '@millrace/database';
import { onEveryDatabase, register } from './databases.js';

onEveryDatabase('the commits of a codebase', (get) => {
  let owner: Ownership;
  let moves = 0;

  beforeAll(async () => {
    const { db } = get();
    const me = await register(db, 'scheduler');
    const apply = (fingerprint: string, slug: string) =>
      new ConfigurationStore(db).apply(
        me,
        { fingerprint, body: '{}' },
        {
          projects: [{ name: 'first' }, { name: 'p' }],
          codebases: [
            { name: 'app', project: 'first', slug: 'other' },
            { name: 'app', project: 'p', slug },
          ],
          ...{ builders: [], workers: [], schedulers: [], changeSources: [] },
        },
        { serves: false },
      );
    await apply('one', 'old');
    await apply('two', 'App');
    owner = (await new OwnershipStore(db).acquire('poller:r', me, true))!;
  });

  const reads = (): CodebaseReads => new CodebaseReads(get().db);
  const codebaseId = async (): Promise<number> =>
    (await reads().codebases()).find(({ slug }) => slug === 'App')!.codebaseid;
  const change = (branch: string, revision: string): NewChange => ({
    ...{ dedupKey: `${moves}-${branch}-${revision}`, author: 'Ada <a@b>', committer: null, comments: `${revision} ✓` },
    ...{ branch, revision, revlink: '', category: null, repository: 'file:///r', project: 'p', codebase: 'app' },
    ...{ whenMs: 1_700_000_000_999, files: [], properties: {} },
  });
  /** Moves a branch over commits, each with its first parent. */
  const move = async (branch: string, ...commits: (readonly [string, string | null])[]): Promise<number> => {
    moves += 1;
    const changes = commits.map(([revision, parent]) => ({ ...change(branch, revision), parent }));
    return (await new IntakeStore(get().db).addChanges(changes, { owner })).length;
  };
  const all = async () => (await reads().commits(withFilter(EVERYTHING, 'codebaseid', await codebaseId()))).rows;
  const idOf = async (revision: string): Promise<number> =>
    (await reads().commitByRevision(await codebaseId(), revision))!.commitid;
  const branches = async () => {
    const { rows } = await reads().branches(withFilter(EVERYTHING, 'codebaseid', await codebaseId()));
    return Object.fromEntries(rows.map(({ name, commitid }) => [name, commitid]));
  };

  it('are recorded once, with their parents, and each branch has its newest', async () => {
    expect(await move('main', ['c1', 'c0'], ['c2', 'c1'], ['c3', 'c2'])).toBe(3);
    expect(await move('topic', ['c2', 'c1'], ['t1', 'c2'])).toBe(2);
    const [c1, c2, c3, t1] = [await idOf('c1'), await idOf('c2'), await idOf('c3'), await idOf('t1')];
    expect((await all()).map(({ commitid, parent_commitid }) => [commitid, parent_commitid])).toEqual([
      [c1, null],
      [c2, c1],
      [c3, c2],
      [t1, c2],
    ]);
    expect(await reads().commit(c2)).toEqual({
      ...{ author: 'Ada <a@b>', codebaseid: await codebaseId(), comments: 'c2 ✓', commitid: c2, committer: null },
      ...{ parent_commitid: c1, revision: 'c2', when_timestamp: 1_700_000_000 },
    });
    expect(await branches()).toEqual({ main: c3, topic: t1 });
  });

  it('have a branch go back, and know a parent that comes later', async () => {
    await move('main', ['c1', 'c0']);
    expect(await branches()).toMatchObject({ main: await idOf('c1') });
    await move('old', ['c0', null]);
    expect(await reads().commit(await idOf('c1'))).toMatchObject({ parent_commitid: await idOf('c0') });
  });

  it('are read by revision and by page', async () => {
    const found = await reads().commits({
      ...withFilter(withFilter(EVERYTHING, 'codebaseid', await codebaseId()), 'revision', 't1'),
      limit: 1,
    });
    expect(found.rows.map(({ revision }) => revision)).toEqual(['t1']);
    const page = await reads().commits({
      ...withFilter(EVERYTHING, 'codebaseid', await codebaseId()),
      order: [{ field: 'commitid', descending: true }],
      limit: 2,
    });
    expect(page.rows.map(({ revision }) => revision)).toEqual(['c0', 't1']);
    expect(page.more).not.toBeNull();
  });

  it('lead to the one that two come from', async () => {
    const id = await codebaseId();
    const common = async (first: string, second: string) =>
      reads().commonParent(id, await idOf(first), await idOf(second));
    expect(await common('c3', 't1')).toEqual({
      common: await idOf('c2'),
      to1: [await idOf('c3')],
      to2: [await idOf('t1')],
    });
    await move('apart', ['x1', null]);
    expect(await common('c3', 'x1')).toBeNull();
    expect(await reads().commonParent(id + 1000, await idOf('c3'), await idOf('t1'))).toBeNull();
  });

  it('are looked at up to a bound for where two meet', async () => {
    const line = Array.from({ length: 1500 }, (_, i) => [`l${i}`, i === 0 ? null : `l${i - 1}`] as const);
    await move('long', ...line);
    const id = await codebaseId();
    const near = await reads().commonParent(id, await idOf('l1499'), await idOf('l700'));
    expect(near).toMatchObject({ common: await idOf('l700'), to2: [] });
    expect(near!.to1).toHaveLength(799);
    expect(await reads().commonParent(id, await idOf('l1499'), await idOf('l100'))).toBeNull();
  }, 30_000);

  it('are not recorded of a codebase that is not configured', async () => {
    const other = { ...change('main', 'o1'), codebase: 'lib', parent: null };
    const recorded = new IntakeStore(get().db).addChanges([other], { owner });
    await expect(recorded).rejects.toMatchObject({ code: 'no-codebase' });
  });
});
