import type { Sight } from '@millrace/domain';
import type { Queryable } from '../sql.js';
import { evaluate, isMatch } from './evaluate.js';
import {
  cursorOf,
  type HistoryTable,
  type OrderedPlan,
  type Place,
  type Plan,
  plan,
  SMALL_SET,
  type Stretches,
  variantsFor,
  walkFor,
} from './plan.js';
import { effectiveLimit, HISTORY_LIMIT, type Page, type ResourceQuery, WALK } from './query.js';

/** Rows of a stretch of a walk that looks at all of them. */
const STRETCH = 1000;
/** Rows of the first stretch for each that is wanted: where more than every fifth is visible, it has a page of them. */
const FIRST_STRETCH = 5;
const TIMES_LONGER = 10;

/** Returns how long the next stretch is in which enough rows may be found: the first is short, each of the others much longer. */
function lengthAfter(looked: number, wanted: number): number {
  return Math.min(looked === 0 ? FIRST_STRETCH * wanted : TIMES_LONGER * looked, WALK.rows - looked);
}

/** A history table, what is selected from it, and how its rows become resources of the API. */
interface Reading<R extends object, V extends object> {
  readonly db: Queryable;
  readonly table: HistoryTable;
  readonly select: string;
  readonly toView: (row: R) => V;
}

/**
 * Runs a query on a history table along one of its access paths, and maps the rows to resources of the API. Here and in every `…Reads` it
 * is SQL: each page reads hundreds of rows, for which a repository takes five times as long, and the statement has to be exactly the
 * planned one.
 */
export async function readHistory<R extends object, V extends object>(
  db: Queryable,
  table: HistoryTable,
  select: string,
  query: ResourceQuery,
  toView: (row: R) => V,
): Promise<Page<V>> {
  const reading = { db, table, select, toView };
  if (query.sight && seesNothing(table, query.sight)) return evaluate<V>([], query, HISTORY_LIMIT);
  const variants = variantsFor(table, query);
  const planned = firstPlan(reading, variants);
  if (planned?.kind === 'ordered') {
    return planned.hides ? readVisible(reading, planned.stretches, query) : readOrdered(reading, planned, query.offset);
  }
  if (planned && !(await isTooMuch(db, planned))) {
    const rows = await db.all<R>(planned.sql, planned.params);
    if (rows.length <= SMALL_SET) return evaluate(rows.map(toView), query, HISTORY_LIMIT);
  }
  return walk(reading, variants.at(-1)!);
}

function firstPlan(
  { table, select, db }: Pick<Reading<object, object>, 'table' | 'select' | 'db'>,
  variants: readonly ResourceQuery[],
): Plan | null {
  for (const variant of variants) {
    const planned = plan(table, select, variant, db.dialect);
    if (planned) return planned;
  }
  return null;
}

async function isTooMuch(db: Queryable, { tooMany }: Plan & { readonly kind: 'small' }): Promise<boolean> {
  return tooMany !== null && (await db.get(tooMany.sql, tooMany.params)) !== undefined;
}

/** Whether no row can be visible, so that no history is searched in vain. */
function seesNothing({ leads }: HistoryTable, sight: Sight): boolean {
  if (!leads) return true;
  return (leads.by === 'builder' || leads.by === 'buildset') && sight.builderIds.length === 0;
}

/** Reads one page of an order of which everything is visible. */
async function readOrdered<R extends object, V extends object>(
  { db, toView }: Reading<R, V>,
  planned: OrderedPlan,
  offset: number,
): Promise<Page<V>> {
  const rows = planned.limit === 0 ? [] : await db.all<R & Place>(planned.sql, planned.params);
  const full = rows.length > planned.limit;
  if (full) rows.pop();
  const views = new Array<V>(rows.length);
  for (let i = 0; i < rows.length; i++) views[i] = toView(rows[i]!);
  return {
    rows: views,
    limit: planned.limit,
    total: offset + rows.length,
    more: full ? { cursor: cursorOf(rows.at(-1)!) } : null,
  };
}

/** Returns where a stretch ends that begins after a cursor; null for the end of the order. */
async function edgeOf(
  db: Queryable,
  { end, edge }: Stretches,
  cursor: string | null,
  length: number,
): Promise<Place | null> {
  const { sql, params } = end(cursor, length);
  const last = await db.get<Place>(sql, params);
  return last ? edge(last) : null;
}

/** Returns how many rows of a stretch are visible, at most so many. */
async function countOf(
  db: Queryable,
  { count }: Stretches,
  ...between: Parameters<Stretches['count']>
): Promise<number> {
  const { sql, params } = count(...between);
  return Number((await db.get<{ count: number }>(sql, params))!.count);
}

/**
 * Reads a page of an order in which rows may be hidden. Like a walk it looks at so many rows at most, or for so long; then it says that it
 * ended there, and the page goes on behind the last of them. The end of a stretch is found first: rows that are added meanwhile change nothing.
 */
async function readVisible<R extends object, V extends object>(
  { db, toView }: Reading<R, V>,
  stretches: Stretches,
  query: ResourceQuery,
): Promise<Page<V>> {
  const limit = effectiveLimit(query, HISTORY_LIMIT);
  const wanted = limit === 0 ? 0 : limit + 1;
  const untilMs = performance.now() + WALK.forMs;
  const found: (R & Place)[] = [];
  let { cursor } = query;
  let skipped = 0;
  let looked = 0;
  let isMore = true;
  while (isMore && found.length < wanted && looked < WALK.rows && performance.now() < untilMs) {
    const length = lengthAfter(looked, query.offset + wanted);
    const edge = await edgeOf(db, stretches, cursor, length);
    const toSkip = query.offset - skipped;
    const { sql, params } = stretches.visible({ cursor, edge }, wanted - found.length, toSkip);
    const rows = await db.all<R & Place>(sql, params);
    for (const row of rows) found.push(row);
    if (toSkip > 0) skipped += rows.length > 0 ? toSkip : await countOf(db, stretches, { cursor, edge }, toSkip);
    looked += length;
    isMore = edge !== null;
    if (edge) cursor = cursorOf(edge);
  }
  const shown = found.slice(0, limit);
  const page = { rows: shown.map(toView), limit, total: query.offset + shown.length };
  if (found.length >= wanted) return { ...page, more: wanted === 0 ? null : { cursor: cursorOf(shown.at(-1)!) } };
  return isMore
    ? {
        ...page,
        more: goingOn(cursor, query.offset - skipped),
        examined: { rows: skipped + found.length, partial: true },
      }
    : { ...page, more: null };
}

/**
 * Looks at rows one after another, stretch by stretch, for a query that no index answers. Rows that come in the order asked for are returned
 * as soon as there are enough of them, and the page goes on where the walk ended. Otherwise those that were looked at, the newest ones, are sorted.
 */
async function walk<R extends object, V extends object>(
  { db, table, select, toView }: Reading<R, V>,
  query: ResourceQuery,
): Promise<Page<V>> {
  const { inOrder, isNarrow, stretches } = walkFor(table, select, query, db.dialect);
  const limit = effectiveLimit(query, HISTORY_LIMIT);
  const wanted = inOrder ? query.offset + limit : Infinity;
  const untilMs = performance.now() + WALK.forMs;
  const found: V[] = [];
  let looked = 0;
  let examined = 0;
  let cursor = query.cursor;
  let edge: Place | null = null;
  let isMore = true;
  while (isMore && found.length < wanted && looked < WALK.rows && performance.now() < untilMs) {
    const length = inOrder && isNarrow ? lengthAfter(looked, wanted) : STRETCH;
    edge = await edgeOf(db, stretches, cursor, length);
    const most = isNarrow ? Math.min(length, wanted - found.length) : length;
    const { sql, params } = stretches.visible({ cursor, edge }, most, 0);
    const rows = await db.all<R & Place>(sql, params);
    /** Where the look at this stretch ends before its edge. */
    let stop: Place | null = rows.length === most ? rows.at(-1)! : null;
    for (const row of rows) {
      const view = toView(row);
      if (!isMatch(view, query)) continue;
      found.push(view);
      if (found.length < wanted) continue;
      stop = row;
      break;
    }
    const end = stop ?? edge;
    examined += await countOf(db, stretches, { cursor, edge: end }, WALK.rows);
    looked += length;
    if (end) cursor = cursorOf(end);
    isMore = end !== null;
  }
  // Within the last stretch it is visible rows that count; how far the next of them is beyond it, nobody knows.
  if (isMore && edge) isMore = (await edgeOf(db, stretches, cursor, 1)) !== null;
  else if (isMore && looked > 0) isMore = (await countOf(db, stretches, { cursor, edge }, 1)) > 0;
  const walked = { examined: { rows: examined, partial: isMore } };
  if (!inOrder) return { ...evaluate(found, query, HISTORY_LIMIT), ...walked };
  const rows = found.slice(query.offset);
  const more = isMore ? goingOn(cursor, query.offset - found.length) : null;
  return { rows, limit, total: query.offset + rows.length, more, ...walked };
}

function goingOn(cursor: string | null, toSkip: number): Page<object>['more'] {
  return { cursor, ...(toSkip > 0 && { toSkip }) };
}

export function seconds(ms: number): number;
export function seconds(ms: number | null): number | null;
export function seconds(ms: number | null): number | null {
  return ms === null ? null : Math.floor(ms / 1000);
}

/**
 * Returns when something ended. When the clock was set back meanwhile, so that it would have ended before it began, it ended when it began.
 */
export function endSeconds(beganMs: number | null, endedMs: number | null): number | null {
  return seconds(endedMs === null || beganMs === null ? endedMs : Math.max(beganMs, endedMs));
}
