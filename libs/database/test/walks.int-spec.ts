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

  it('sort the newest rows in an order that no index has', async () => {
    const page = await builds.list(where([], { order: [{ field: 'number', descending: false }], limit: 2 }));
    expect(page.rows.map(({ buildid }) => buildid)).toEqual([1002, 1001]);
    expect(page.examined).toEqual({ rows: WALK.rows, partial: true });
    expect(page.total).toBe(WALK.rows);
  });
});
