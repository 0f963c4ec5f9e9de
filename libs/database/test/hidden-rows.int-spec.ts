import { beforeAll, expect, it } from '@jest/globals';
import {
  BuildReads,
  BuildRequestReads,
  BuildsetReads,
  EVERYTHING,
  type OrderKey,
  type Page,
  type ResourceQuery,
  WALK,
} from '@millrace/database';
import { Sight } from '@millrace/domain';
import { writeHistory } from '@millrace/testing';
import { onEveryDatabase } from './databases.js';

/** More visible builders than are read one by one. */
const VISIBLE = 60;
const HIDDEN = VISIBLE + 1;
const ROWS = WALK.rows + 1500;
/** The rows that are visible: the oldest, and one of the newest. All between them are hidden. */
const isVisible = (id: number): boolean => id <= 300 || id === ROWS - 50;
const VISIBLE_IDS = Array.from({ length: ROWS }, (_, i) => i + 1).filter(isVisible);

const SIGHT = Sight.of(
  {
    projects: [
      { id: 1, name: 'open', visibleTo: ['anyone'] },
      { id: 2, name: 'secret', visibleTo: [] },
    ],
    byDefault: [],
    builders: Array.from({ length: HIDDEN }, (_, i) => ({
      id: i + 1,
      name: `b${i + 1}`,
      projectId: i < VISIBLE ? 1 : 2,
    })),
    ...{ workers: new Map(), schedulers: new Map(), changeSources: new Map(), hooks: new Map() },
  },
  new Set(['anyone']),
)!;

const up = (field: string): OrderKey => ({ field, descending: false });
const down = (field: string): OrderKey => ({ field, descending: true });

onEveryDatabase('lists of which most is hidden', (get) => {
  beforeAll(async () => {
    const { db, url } = get();
    const builders = Array.from({ length: HIDDEN }, (_, i) => `b${i + 1}`);
    await writeHistory(url, { builds: ROWS, builders, workers: ['w'] });
    await db.run(`INSERT INTO projects (id, name, visible_to) VALUES (1, 'open', '["anyone"]'), (2, 'secret', '[]')`);
    await db.run(`UPDATE builders SET project_id = CASE WHEN id = ${HIDDEN} THEN 2 ELSE 1 END`);
    // A number of a builder is given once, whichever builder a build is moved to.
    const visible = (id: string): string => `(${id} <= 300 OR ${id} = ${ROWS - 50})`;
    await db.run(`UPDATE builds SET number = 1000000 + id`);
    for (const table of ['builds', 'build_requests']) {
      await db.run(`UPDATE ${table} SET builder_id = ${HIDDEN} WHERE NOT ${visible('id')}`);
      await db.run(`UPDATE ${table} SET builder_id = 1 WHERE builder_id = ${HIDDEN} AND ${visible('id')}`);
    }
  }, 240_000);

  const SIGHTED: ResourceQuery = { ...EVERYTHING, sight: SIGHT };
  type List = (query: ResourceQuery) => Promise<Page<object>>;
  const lists: Record<string, { readonly id: string; readonly list: List }> = {
    builds: { id: 'buildid', list: (query) => new BuildReads(get().db).list(query) },
    requests: { id: 'buildrequestid', list: (query) => new BuildRequestReads(get().db).list(query) },
    buildsets: { id: 'bsid', list: (query) => new BuildsetReads(get().db).list(query) },
  };
  const idsOf = (name: string, page: Page<object>): number[] =>
    page.rows.map((row) => (row as Record<string, number>)[lists[name]!.id]!);

  it.each<[string, OrderKey]>([
    ['builds', down('buildid')],
    ['builds', down('complete_at')],
    ['builds', down('started_at')],
    ['requests', down('buildrequestid')],
    ['buildsets', down('bsid')],
  ])('%s: end after so many rows, visible or not, and go on from there (%j)', async (name, order) => {
    const { list } = lists[name]!;
    const query: ResourceQuery = {
      ...SIGHTED,
      order: [order],
      limit: 20,
      // Builds that have ended have an index of their own.
      filters: order.field === 'complete_at' ? [{ field: 'complete', op: 'eq', values: [true] }] : [],
    };
    const first = await list(query);
    expect([idsOf(name, first), first.examined]).toEqual([[ROWS - 50], { rows: 1, partial: true }]);
    const seen = idsOf(name, first);
    let { more } = first;
    let pages = 1;
    while (more !== null) {
      const page = await list({ ...query, cursor: more.cursor });
      seen.push(...idsOf(name, page));
      more = page.more;
      pages++;
    }
    expect(seen).toEqual([...VISIBLE_IDS].reverse());
    // Two looks at what is hidden, of which the second finds a page, and the other pages.
    expect(pages).toBe(1 + VISIBLE_IDS.slice(0, -1).length / 20);
  });

  it('answer a page whose rows are found early as if nothing were hidden', async () => {
    const page = await lists['builds']!.list({ ...SIGHTED, order: [up('buildid')], limit: 20, offset: 5 });
    expect(idsOf('builds', page)).toEqual(VISIBLE_IDS.slice(5, 25));
    expect([page.examined, page.total, page.more]).toEqual([undefined, 25, { cursor: '25.25' }]);
  });

  it('skip rows across stretches, some of which have fewer than are to be skipped', async () => {
    // The first thousand rows after the cursor have one that is visible.
    const query = { ...SIGHTED, order: [down('buildid')], cursor: '1300.1300' };
    const page = await lists['builds']!.list({ ...query, limit: 3, offset: 5 });
    expect([idsOf('builds', page), page.total]).toEqual([[295, 294, 293], 8]);
    const end = await lists['builds']!.list({ ...query, limit: 3, offset: 298 });
    expect([idsOf('builds', end), end.more]).toEqual([[2, 1], null]);
    const beyond = await lists['builds']!.list({ ...query, limit: 3, offset: 301 });
    expect([idsOf('builds', beyond), beyond.more]).toEqual([[], null]);
  });

  it('leave the rest of an offset to the next page when they end among what it skips', async () => {
    const query = { ...SIGHTED, order: [down('buildid')], limit: 3 };
    const first = await lists['builds']!.list({ ...query, offset: 5 });
    expect([idsOf('builds', first), first.examined, first.more!.toSkip]).toEqual([[], { rows: 1, partial: true }, 4]);
    const { cursor, toSkip } = first.more!;
    const next = await lists['builds']!.list({ ...query, cursor, offset: toSkip! });
    expect(idsOf('builds', next)).toEqual([296, 295, 294]);
  });

  it('tell of the row with which they ended not when it ended', async () => {
    const { more } = await lists['builds']!.list({
      ...SIGHTED,
      order: [down('complete_at')],
      filters: [{ field: 'complete', op: 'eq', values: [true] }],
      limit: 20,
    });
    expect(more!.cursor).toMatch(/000\.0$/);
  });

  it('look at as many rows for a query that no index answers', async () => {
    const query: ResourceQuery = {
      ...SIGHTED,
      order: [down('buildid')],
      filters: [{ field: 'state_string', op: 'contains', values: ['success'] }],
    };
    const first = await lists['builds']!.list(query);
    expect([idsOf('builds', first), first.examined]).toEqual([[ROWS - 50], { rows: 1, partial: true }]);
    const rest = await lists['builds']!.list({ ...query, cursor: first.more!.cursor, limit: 1000 });
    expect(idsOf('builds', rest)).toEqual(VISIBLE_IDS.slice(0, -1).reverse());
    expect(rest.examined).toEqual({ rows: 300, partial: false });
  });

  it('search no builds of a builder that is hidden', async () => {
    const of = (...values: number[]): Promise<Page<object>> =>
      lists['builds']!.list({
        ...SIGHTED,
        filters: [{ field: 'builderid', op: 'eq', values }],
        order: [down('buildid')],
      });
    expect(await of(HIDDEN)).toMatchObject({ rows: [], total: 0, more: null });
    expect((await of(HIDDEN)).examined).toBeUndefined();
    expect(idsOf('builds', await of(1 + ((ROWS - 50) % HIDDEN), HIDDEN))[0]).toBe(ROWS - 50);
  });
});
