import { beforeAll, expect, it } from '@jest/globals';
import { BuildReads, EVERYTHING, type Filter, type ResourceQuery, WALK } from '@millrace/database';
import { writeHistory } from '@millrace/testing';
import { onEveryDatabase } from './databases.js';

const BUILDS = WALK.rows + 1000;
/** Builds of the history that fail: every seventh. */
const failed = (id: number): boolean => id % 7 === 0;

onEveryDatabase('queries that no index answers', (get) => {
  let builds: BuildReads;
  const newest = { field: 'buildid', descending: true };
  const where = (filters: Filter[], more: Partial<ResourceQuery> = {}): ResourceQuery => ({
    ...EVERYTHING,
    filters,
    ...more,
  });

  beforeAll(async () => {
    await writeHistory(get().url, { builds: BUILDS, builders: ['a', 'b'], workers: ['w'] });
    builds = new BuildReads(get().db);
  }, 120_000);

  it('end when there are enough rows', async () => {
    const page = await builds.list(
      where([{ field: 'results', op: 'ne', values: [0] }], { order: [newest], limit: 3, offset: 1 }),
    );
    const expected = Array.from({ length: BUILDS }, (_, i) => BUILDS - i).filter(failed);
    expect(page.rows.map(({ buildid }) => buildid)).toEqual(expected.slice(1, 4));
    expect(page.examined).toEqual({ rows: BUILDS - expected[3]! + 1, partial: true });
  });

  it('end after so many rows, and go on from there', async () => {
    const query = where([{ field: 'state_string', op: 'contains', values: ['never'] }], { order: [newest] });
    const first = await builds.list(query);
    expect(first).toMatchObject({ rows: [], examined: { rows: WALK.rows, partial: true } });
    const rest = await builds.list({ ...query, cursor: first.more!.cursor });
    expect(rest).toMatchObject({ rows: [], more: null, examined: { rows: BUILDS - WALK.rows, partial: false } });
  });

  it('miss no row and return none twice, page by page', async () => {
    const query = where([
      { field: 'results', op: 'in', values: [2] },
      { field: 'masterid', op: 'eq', values: [1] },
    ]);
    const seen: number[] = [];
    let cursor: string | null = null;
    do {
      const page = await builds.list({ ...query, cursor, limit: 700 });
      seen.push(...page.rows.map(({ buildid }) => buildid));
      cursor = page.more && page.more.cursor;
    } while (cursor !== null);
    expect(seen).toEqual(Array.from({ length: BUILDS }, (_, i) => i + 1).filter(failed));
  });

  it.each<[Filter, (id: number) => boolean]>([
    [{ field: 'results', op: 'notin', values: [0, 1] }, failed],
    [{ field: 'state_string', op: 'contains', values: ['never', 'success'] }, () => true],
    [{ field: 'state_string', op: 'contains', values: ['SUCCESS'] }, () => false],
    [{ field: 'state_string', op: 'contains', values: ['build_success', 'build%'] }, () => false],
    [{ field: 'state_string', op: 'eq', values: ['build successful '] }, () => false],
    [{ field: 'state_string', op: 'ne', values: ['build successful'] }, () => false],
    [{ field: 'masterid', op: 'ge', values: [2] }, () => false],
    [{ field: 'attempt', op: 'lt', values: [1, 2] }, () => true],
  ])('find as many of the rows that they look at as pass %j', async (filter, passes) => {
    const page = await builds.list(where([filter], { order: [newest], limit: 1000 }));
    const ids = Array.from({ length: BUILDS }, (_, i) => BUILDS - i);
    const expected = ids.slice(0, WALK.rows).filter(passes).slice(0, 1000);
    expect(page.rows.map(({ buildid }) => buildid)).toEqual(expected);
    const last = expected.length === 1000 ? ids.indexOf(expected.at(-1)!) + 1 : WALK.rows;
    expect(page.examined).toEqual({ rows: last, partial: true });
  });

  it('say that there is no more after the last row', async () => {
    const query = where([{ field: 'masterid', op: 'eq', values: [1] }], { limit: 1000, cursor: `${BUILDS - 1000}.0` });
    expect(await builds.list(query)).toMatchObject({ more: null, examined: { rows: 1000, partial: false } });
    expect((await builds.list({ ...query, limit: 999 })).more).toEqual({ cursor: `${BUILDS - 1}.${BUILDS - 1}` });
  });

  it('sort the newest rows in an order that no index has', async () => {
    const page = await builds.list(where([], { order: [{ field: 'number', descending: false }], limit: 2 }));
    expect(page.rows.map(({ buildid }) => buildid)).toEqual([1002, 1001]);
    expect(page.examined).toEqual({ rows: WALK.rows, partial: true });
    expect(page.total).toBe(WALK.rows);
  });
});
