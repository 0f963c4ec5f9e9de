import { describe, expect, it } from '@jest/globals';
import { BUILDS } from './builds.js';
import { type Belongings, Sight } from '@millrace/domain';
import { SQLITE } from '../sql.js';
import { type HistoryTable, type Plan, plan as planFor, variantsFor, walkFor } from './plan.js';
import { EVERYTHING, type Filter, type ResourceQuery } from './query.js';
import { BUILD_REQUESTS } from './requests.js';

const plan = (table: HistoryTable, select: string, asked: ResourceQuery) => planFor(table, select, asked, SQLITE)!;
const walk = (asked: ResourceQuery) => walkFor(BUILDS, 'b.id', asked, SQLITE);
const eq = (field: string, ...values: (number | boolean)[]): Filter => ({ field, op: 'eq', values });
const query = (more: Partial<ResourceQuery>): ResourceQuery => ({ ...EVERYTHING, ...more });
const flat = (sql: string): string => sql.replace(/\s+/g, ' ');
const down = (field: string): { field: string; descending: boolean } => ({ field, descending: true });

describe('the plan of a query on builds', () => {
  it.each([
    [
      'the newest',
      query({ order: [down('buildid')], limit: 20 }),
      'FROM builds b ORDER BY b.id DESC LIMIT ? OFFSET ?',
      [21, 0],
    ],
    [
      'a page further on',
      query({ order: [down('buildid')], limit: 20, cursor: '77.77' }),
      'WHERE b.id < ? ORDER BY b.id DESC LIMIT ? OFFSET ?',
      [77, 21, 0],
    ],
    [
      'of a builder, before a number',
      query({
        filters: [eq('builderid', 5), { field: 'number', op: 'lt', values: [9] }],
        order: [down('number')],
        limit: 5,
      }),
      'WHERE b.builder_id = ? AND b.number < ? ORDER BY b.number DESC LIMIT ? OFFSET ?',
      [5, 9, 6, 0],
    ],
    [
      'completed before a second',
      query({
        filters: [eq('complete', true), { field: 'complete_at', op: 'le', values: [10] }],
        order: [down('complete_at')],
        limit: 1,
      }),
      'WHERE b.complete_at_ms IS NOT NULL AND b.complete_at_ms < ? ORDER BY b.complete_at_ms DESC, b.id DESC LIMIT ? OFFSET ?',
      [11_000, 2, 0],
    ],
    [
      'that run, however many',
      query({ filters: [eq('complete', false)], order: [down('buildid')], limit: 20 }),
      'INDEXED BY builds_complete WHERE b.complete_at_ms IS NULL ORDER BY b.id DESC LIMIT ? OFFSET ?',
      [21, 0],
    ],
    [
      'of two builders, each by its index',
      query({ filters: [eq('builderid', 1, 2)], order: [down('started_at')], limit: 3 }),
      'ORDER BY k.cursorValue DESC LIMIT ? OFFSET ?',
      [1, 4, 2, 4, 4, 0],
    ],
  ])('reads %s along an index', (_name, asked, tail, params) => {
    const planned = plan(BUILDS, 'b.id', asked);
    expect(flat(planned.sql)).toContain(tail);
    expect(planned.params).toEqual(params);
  });

  it('reads running builds completely, and leaves the rest to memory', () => {
    const planned = plan(
      BUILDS,
      'b.id',
      query({ filters: [eq('complete', false), eq('masterid', 3)], order: [down('state_string')] }),
    );
    expect(planned.kind).toBe('small');
    expect(flat(planned.sql)).toBe(
      'SELECT b.id FROM builds b INDEXED BY builds_complete WHERE b.complete_at_ms IS NULL ORDER BY b.id LIMIT 5001',
    );
  });

  const ne = (field: string, value: number): Filter => ({ field, op: 'ne', values: [value] });
  it.each([
    ['by master', query({ filters: [eq('masterid', 3)] }), true, 'FROM builds b ORDER BY b.id ASC'],
    [
      'by worker and result',
      query({ filters: [eq('workerid', 3), eq('results', 2)], order: [down('buildid')] }),
      true,
      'INDEXED BY builds_worker WHERE b.worker_id = ? ORDER BY b.id DESC',
    ],
    ['by state', query({ order: [down('state_string')] }), false, 'FROM builds b ORDER BY b.id DESC'],
    [
      'without a result',
      query({ filters: [ne('results', 0), eq('builderid', 2)], order: [down('number')] }),
      true,
      'INDEXED BY builds_number WHERE b.builder_id = ? ORDER BY b.number DESC',
    ],
    [
      'of a builder, in an order of its own',
      query({ filters: [eq('builderid', 1)], order: [down('complete_at')] }),
      false,
      'INDEXED BY builds_builder WHERE b.builder_id = ? ORDER BY b.id DESC',
    ],
  ])('walks along the best index %s', (_what, asked, inOrder, along) => {
    expect(planFor(BUILDS, 'b.id', asked, SQLITE)).toBeNull();
    const walked = walk(asked);
    expect(walked.inOrder).toBe(inOrder);
    expect(flat(walked.stretches.end(null, 1000).sql)).toContain(along);
    expect(flat(walked.stretches.end('5.5', 1000).sql)).toMatch(/[<>] \?/);
  });

  const of = (field: string, op: Filter['op'], ...values: (number | string)[]): Filter => ({ field, op, values });
  it.each<[Filter, string, unknown[]]>([
    [of('masterid', 'eq', 3, 4), 'b.master_id IN (?, ?)', [3, 4]],
    [of('attempt', 'in', 1, 2, 3), 'b.attempt IN (?, ?, ?)', [1, 2, 3]],
    [of('results', 'ne', 0), '(b.results IS NULL OR b.results NOT IN (?))', [0]],
    [of('masterid', 'notin', 1, 2), '(b.master_id IS NULL OR b.master_id NOT IN (?, ?))', [1, 2]],
    [of('attempt', 'gt', 1), 'b.attempt > ?', [1]],
    // As in Buildbot, a comparison with several values is ignored.
    [of('attempt', 'gt', 1, 2), '1 = 1', []],
    [of('complete_at', 'gt', 9), 'b.complete_at_ms >= ?', [10_000]],
    [
      of('state_string', 'contains', 'a', 'b'),
      '(INSTR(b.state_string, ?) > 0 OR INSTR(b.state_string, ?) > 0)',
      ['a', 'b'],
    ],
  ])('leaves the filter %j of a walk to the database', (filter, condition, params) => {
    const { isNarrow, stretches } = walk(query({ filters: [filter] }));
    expect(isNarrow).toBe(true);
    const visible = stretches.visible({ cursor: null, edge: null }, 20, 0);
    expect(flat(visible.sql)).toContain(`FROM builds b WHERE ${condition} ORDER BY b.id ASC LIMIT`);
    expect(visible.params).toEqual([...params, 20, 0]);
    // What has to be looked at is what there is, whether or not it passes.
    for (const { sql } of [stretches.end(null, 20), stretches.count({ cursor: null, edge: null }, 20)])
      expect(sql).not.toContain('WHERE');
  });

  it('leaves texts to the database, which may ignore spaces at their end', () => {
    const { isNarrow, stretches } = walk(query({ filters: [of('state_string', 'eq', 'done')] }));
    expect(isNarrow).toBe(false);
    const visible = stretches.visible({ cursor: null, edge: null }, 20, 0);
    expect(flat(visible.sql)).toContain('FROM builds b WHERE b.state_string IN (?) ORDER BY b.id ASC');
  });

  it.each([of('state_string', 'ne', 'done'), of('masterid', 'contains', 1), of('uuid', 'eq', 'x')])(
    'keeps the filter %j of a walk for itself',
    (filter) => {
      const { isNarrow, stretches } = walk(query({ filters: [filter] }));
      expect([isNarrow, stretches.visible({ cursor: null, edge: null }, 20, 0).params]).toEqual([false, [20, 0]]);
    },
  );

  it.each([
    [query({ offset: 10_001 }), 'offset 10001 is too far'],
    [query({ cursor: "1' OR 1=1" }), 'invalid cursor'],
  ])('refuses what would read all of history (%#)', (asked, message) => {
    expect(() => plan(BUILDS, 'b.id', asked)).toThrow(message);
  });

  it('never reads more than the cap', () => {
    expect(plan(BUILDS, 'b.id', query({ limit: 1_000_000 }))).toMatchObject({ limit: 1000, params: [1001, 0] });
  });
});

describe('the plan of a query on the queue', () => {
  it('reads the queue, not the requests', () => {
    const planned = plan(
      BUILD_REQUESTS,
      'r.id',
      query({ filters: [eq('claimed', false), eq('builderid', 4)], order: [down('priority')], limit: 2 }),
    );
    const sql = flat(planned.sql);
    expect(sql).toContain(
      'FROM queue q INDEXED BY queue_builder WHERE q.builder_id = ? ORDER BY q.queue_rank ASC, q.request_id ASC LIMIT ?) k0)',
    );
    // The page is cut from the keys, so that only its rows are fetched.
    expect(sql).toContain(
      'LIMIT ? OFFSET ?) k JOIN build_requests r WHERE r.id = k.id ORDER BY k.cursorValue ASC, k.id ASC',
    );
    expect(planned.params).toEqual([4, 3, 3, 0]);
  });
});

describe('the plan of a query of somebody who does not see everything', () => {
  const seeing = (builders: number): Sight => {
    const belongings: Belongings = {
      projects: [{ id: 7, name: 'open', visibleTo: ['anyone'] }],
      byDefault: [],
      builders: Array.from({ length: builders }, (_, id) => ({ id: id + 1, name: `b${id}`, projectId: 7 })),
      ...{ workers: new Map(), schedulers: new Map(), changeSources: new Map(), hooks: new Map() },
    };
    return Sight.of(belongings, new Set(['anyone']))!;
  };
  const newest = query({ order: [down('buildid')], limit: 20 });

  it('has the condition in the statement', () => {
    const { sql, params } = plan(BUILDS, 'b.id', { ...newest, sight: seeing(1) });
    expect(flat(sql)).toContain(
      'WHERE (SELECT COALESCE(v.project_id, 0) FROM builders v WHERE v.id = b.builder_id) IN (?) ORDER BY b.id DESC',
    );
    expect(params).toEqual([7, 21, 0]);
  });

  it('reads the queue by its own builders', () => {
    const waiting = query({ filters: [eq('claimed', false)], order: [down('priority')], sight: seeing(1) });
    expect(flat(plan(BUILD_REQUESTS, 'r.id', waiting).sql)).toContain('WHERE v.id = q.builder_id) IN (?)');
  });

  it.each<[string, Partial<ResourceQuery>, number]>([
    ['is that of each builder where there are few', { sight: seeing(3) }, 2],
    ['is that of all builders where there are many', { sight: seeing(51) }, 1],
    ['is that of the builder that is asked for', { sight: seeing(3), filters: [eq('builderid', 2)] }, 1],
    ['is the usual one of whoever sees everything', {}, 1],
  ])('%s', (_name, more, count) => {
    expect(variantsFor(BUILDS, { ...newest, ...more })).toHaveLength(count);
  });

  it('searches no rows of a builder that is hidden', () => {
    const valuesOf = (...builders: number[]): unknown =>
      variantsFor(BUILDS, { ...newest, sight: seeing(3), filters: [eq('builderid', ...builders)] })[0]!.filters;
    expect(valuesOf(2, 4)).toEqual([eq('builderid', 2)]);
    expect(valuesOf(4)).toEqual([eq('builderid', -1)]);
  });

  it.each<[string, Partial<ResourceQuery>, boolean]>([
    ['of all builders', { sight: seeing(60) }, true],
    ['of builders that are given, which are visible', { sight: seeing(60), filters: [eq('builderid', 2)] }, false],
    ['of somebody who sees everything', {}, false],
  ])('knows that rows may be hidden: %s', (_name, more, hides) => {
    const planned = plan(BUILDS, 'b.id', { ...newest, ...more });
    expect(planned).toMatchObject({ kind: 'ordered', hides });
  });

  it('looks at the rows of a stretch in the order of the page, between its cursor and its end', () => {
    const ended = query({ filters: [eq('complete', true)], order: [down('complete_at')], sight: seeing(60) });
    const { stretches } = plan(BUILDS, 'b.id', ended) as Plan & { readonly kind: 'ordered' };
    const end = stretches.end('9000.7', 1000);
    expect(flat(end.sql)).toBe(
      flat(`SELECT b.complete_at_ms AS cursorValue, b.id AS cursorId FROM builds b INDEXED BY builds_complete
        WHERE b.complete_at_ms IS NOT NULL AND b.complete_at_ms <= ? AND (b.complete_at_ms < ? OR b.id < ?)
        ORDER BY b.complete_at_ms DESC, b.id DESC LIMIT 1 OFFSET ?`),
    );
    expect(end.params).toEqual([9000, 9000, 7, 999]);
    const edge = stretches.edge({ cursorValue: 5432, cursorId: 3 });
    expect(edge).toEqual({ cursorValue: 5000, cursorId: 0 });
    const { sql, params } = stretches.visible({ cursor: null, edge }, 21, 5);
    expect(flat(sql)).toContain('b.complete_at_ms >= ? AND (b.complete_at_ms > ? OR b.id >= ?) ORDER BY');
    expect(params).toEqual([7, 5000, 5000, 0, 21, 5]);
    const count = stretches.count({ cursor: null, edge }, 7);
    expect(flat(count.sql)).toMatch(/^SELECT COUNT\(\*\) AS count FROM .* b\.complete_at_ms >= \?/);
    expect(count.params).toEqual([7, 5000, 5000, 0, 7]);
  });

  it('asks of a set that is small as a rule whether it is, hidden rows among them', () => {
    const ofRequest = query({ filters: [eq('buildrequestid', 5)], sight: seeing(60) });
    const { tooMany } = plan(BUILDS, 'b.id', ofRequest) as Plan & { readonly kind: 'small' };
    expect(flat(tooMany!.sql)).toBe(
      'SELECT 1 AS one FROM builds b INDEXED BY builds_request WHERE b.request_id IN (?) LIMIT 1 OFFSET 10000',
    );
    expect(tooMany!.params).toEqual([5]);
    const { sight: _, ...ofEverybody } = ofRequest;
    expect(plan(BUILDS, 'b.id', ofEverybody)).toMatchObject({ tooMany: null });
  });

  it('breaks ties of several builders with the same number', () => {
    const byNumber = query({ filters: [eq('builderid', 1, 2)], order: [down('number')], cursor: '5.9' });
    expect(flat(plan(BUILDS, 'b.id', byNumber).sql)).toContain('b.number <= ? AND (b.number < ? OR b.id < ?)');
  });
});
