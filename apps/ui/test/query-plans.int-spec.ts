import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  BUILD_REQUESTS,
  BUILDS,
  BUILDSETS,
  CHANGES,
  fieldKind,
  type Filter,
  type HistoryTable,
  planQuery,
  type ResourceQuery,
  SOURCE_STAMPS,
  TEST_RESULT_SETS,
  TEST_RESULTS,
} from '@millrace/database';
import { Sight } from '@millrace/domain';
import { Site } from './site.js';

/** Sees one of two projects, and nothing else. */
const SIGHT = Sight.of(
  {
    projects: [
      { id: 1, name: 'open', visibleTo: ['anyone'] },
      { id: 2, name: 'secret', visibleTo: [] },
    ],
    byDefault: [],
    builders: [{ id: 11, name: 'b', projectId: 1 }],
    workers: new Map(),
    schedulers: new Map(),
    changeSources: new Map(),
    hooks: new Map([['h', 'open']]),
  },
  new Set(['anyone']),
)!;

/** Returns a query for each declared access path and direction. */
function queriesOf(table: HistoryTable): [string, ResourceQuery][] {
  return table.paths.flatMap((path) =>
    [true, false].map((descending): [string, ResourceQuery] => {
      const filters: Filter[] = [
        ...path.given.map((field): Filter => ({
          field,
          op: 'eq',
          values: [fieldKind(table.shape, field) === 'string' ? 'x' : 1],
        })),
        ...Object.entries(path.fixed ?? {}).map(([field, value]): Filter => ({ field, op: 'eq', values: [value] })),
      ];
      const order = path.order === null ? [] : [{ field: path.order, descending }];
      const name = `${table.shape.plural} by ${filters.map((filter) => filter.field).join('+') || 'nothing'} in order of ${descending ? '-' : ''}${path.order ?? 'anything'}`;
      return [
        name,
        { filters, order, limit: 20, offset: 0, cursor: path.order === null ? null : '5.5', properties: [] },
      ];
    }),
  );
}

describe('every declared way to read history', () => {
  let site: Site;
  beforeAll(async () => {
    site = await Site.onSqlite();
  });
  afterAll(() => site.close());

  it.each(
    [BUILDS, BUILD_REQUESTS, BUILDSETS, CHANGES, SOURCE_STAMPS, TEST_RESULT_SETS, TEST_RESULTS].flatMap((table) =>
      queriesOf(table).flatMap(([name, query]) => [
        [name, table, query] as const,
        [`${name}, as somebody sees it`, table, { ...query, sight: SIGHT }] as const,
      ]),
    ),
  )('uses an index: %s', async (_name, table, query) => {
    const planned = planQuery(table, table.id, query, site.db.dialect)!;
    const steps = await site.db.all<{ detail: string }>(`EXPLAIN QUERY PLAN ${planned.sql}`, planned.params);
    const details = steps.map((step) => step.detail);
    // Claims are running builds, not history.
    const isClaims = (detail: string): boolean => detail === 'SCAN c' && planned.sql.includes('FROM claims c');
    // A derived table holds at most one page, so sorting it does not depend on the history.
    const onHistory = details.filter((detail) => !/\bk\d*\b/.test(detail) && !isClaims(detail));
    expect(onHistory.filter((detail) => /^SCAN (?!.* USING )/.test(detail) && !detail.includes('CONSTANT'))).toEqual(
      [],
    );
    // Keys that were cut to a page are sorted as a page, and few rows whatever the history is as these.
    if (!/\) k\s+JOIN/.test(planned.sql) && !(query.sight && planned.kind === 'small'))
      expect(details.filter((detail) => detail.includes('TEMP B-TREE'))).toEqual([]);
  });
});
