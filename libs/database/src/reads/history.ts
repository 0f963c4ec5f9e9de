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

/** Rows of the first stretch: where most are visible, it has a page of them. */
const FIRST_STRETCH = 1000;

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
    const { stretches } = planned;
    return stretches
      ? readVisible(reading, stretches, query)
      : (await readOrdered(reading, planned, query.offset)).page;
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

/** Reads one page, and where each of its rows is in the order. */
async function readOrdered<R extends object, V extends object>(
  { db, toView }: Reading<R, V>,
  planned: OrderedPlan,
  offset: number,
): Promise<{ page: Page<V>; places: readonly Place[] }> {
  const rows = planned.limit === 0 ? [] : await db.all<R & Place>(planned.sql, planned.params);
  const full = rows.length > planned.limit;
  if (full) rows.pop();
  const views = new Array<V>(rows.length);
  for (let i = 0; i < rows.length; i++) views[i] = toView(rows[i]!);
  return {
    page: {
      rows: views,
      limit: planned.limit,
      total: offset + rows.length,
      more: full ? { cursor: cursorOf(rows.at(-1)!) } : null,
    },
    places: rows,
  };
}

/** A part of an order: what is visible of it, and where it ends; null for the end of the order. */
interface Stretch<R> {
  readonly rows: readonly (R & Place)[];
  readonly edge: Place | null;
}

/** Reads at most `most` visible rows of the stretch after a cursor. Its end is found first: rows that are added meanwhile change nothing. */
async function readStretch<R extends object>(
  db: Queryable,
  { end, edge: edgeOf, visible }: Stretches,
  { cursor, length, most }: { readonly cursor: string | null; readonly length: number; readonly most: number },
): Promise<Stretch<R>> {
  const ending = end(cursor, length);
  const last = await db.get<Place>(ending.sql, ending.params);
  const edge = last ? edgeOf(last) : null;
  const { sql, params } = visible({ cursor, edge }, most);
  const rows = await db.all<R & Place>(sql, params);
  // Of more rows the rest is in the next stretch.
  return { rows, edge: rows.length < most ? edge : rows.at(-1)! };
}

/**
 * Reads a page of an order in which rows may be hidden. Like a walk it looks at so many rows at most, or for so long; then it says that it
 * ended there, and the page goes on behind the last of them.
 */
async function readVisible<R extends object, V extends object>(
  { db, toView }: Reading<R, V>,
  stretches: Stretches,
  query: ResourceQuery,
): Promise<Page<V>> {
  const limit = effectiveLimit(query, HISTORY_LIMIT);
  const wanted = limit === 0 ? 0 : query.offset + limit + 1;
  const untilMs = performance.now() + WALK.forMs;
  const found: (R & Place)[] = [];
  let { cursor } = query;
  let looked = 0;
  let isMore = true;
  while (isMore && found.length < wanted && looked < WALK.rows && performance.now() < untilMs) {
    const length = looked === 0 ? FIRST_STRETCH : WALK.rows - looked;
    const { rows, edge } = await readStretch<R>(db, stretches, { cursor, length, most: wanted - found.length });
    for (const row of rows) found.push(row);
    looked += length;
    isMore = edge !== null;
    if (edge) cursor = cursorOf(edge);
  }
  const shown = found.slice(query.offset, query.offset + limit);
  const page = { rows: shown.map(toView), limit, total: query.offset + shown.length };
  if (found.length >= wanted) return { ...page, more: wanted === 0 ? null : { cursor: cursorOf(shown.at(-1)!) } };
  return isMore
    ? { ...page, more: { cursor }, examined: { rows: found.length, partial: true } }
    : { ...page, more: null };
}

/**
 * Looks at rows one after another, page by page, for a query that no index answers. Rows that come in the order asked for are returned as
 * soon as there are enough of them, and the page goes on where the walk ended. Otherwise those that were looked at, the newest ones, are sorted.
 */
async function walk<R extends object, V extends object>(
  reading: Reading<R, V>,
  query: ResourceQuery,
): Promise<Page<V>> {
  const { inOrder, pageAfter, stretches } = walkFor(reading.table, reading.select, query, reading.db.dialect);
  const limit = effectiveLimit(query, HISTORY_LIMIT);
  const wanted = inOrder ? query.offset + limit : Infinity;
  const untilMs = performance.now() + WALK.forMs;
  const found: V[] = [];
  /** Rows that were looked at, hidden ones among them, and without them. */
  let looked = 0;
  let examined = 0;
  let cursor = query.cursor;
  let isMore = true;
  while (isMore && found.length < wanted && looked < WALK.rows && performance.now() < untilMs) {
    const { views, places, edge, length } = stretches
      ? await walkStretch(reading, stretches, cursor)
      : await walkPage(reading, pageAfter(cursor));
    looked += length;
    isMore = edge !== null;
    for (const [index, row] of views.entries()) {
      examined++;
      cursor = cursorOf(places[index]!);
      if (!isMatch(row, query)) continue;
      found.push(row);
      if (found.length < wanted) continue;
      isMore ||= index + 1 < views.length;
      break;
    }
    if (edge && found.length < wanted) cursor = cursorOf(edge);
  }
  const walked = { examined: { rows: examined, partial: isMore } };
  if (!inOrder) return { ...evaluate(found, query, HISTORY_LIMIT), ...walked };
  const rows = found.slice(query.offset);
  return { rows, limit, total: query.offset + rows.length, more: isMore ? { cursor } : null, ...walked };
}

/** The rows of one step of a walk, where they are, and where the step ended; null for the end of the order. */
interface Step<V> {
  readonly views: readonly V[];
  readonly places: readonly Place[];
  readonly edge: Place | null;
  /** How many rows were looked at. */
  readonly length: number;
}

async function walkPage<R extends object, V extends object>(
  reading: Reading<R, V>,
  planned: OrderedPlan,
): Promise<Step<V>> {
  const { page, places } = await readOrdered(reading, planned, 0);
  return { views: page.rows, places, edge: page.more ? places.at(-1)! : null, length: places.length };
}

async function walkStretch<R extends object, V extends object>(
  { db, toView }: Reading<R, V>,
  stretches: Stretches,
  cursor: string | null,
): Promise<Step<V>> {
  const length = FIRST_STRETCH;
  const { rows, edge } = await readStretch<R>(db, stretches, { cursor, length, most: WALK.rows });
  return { views: rows.map(toView), places: rows, edge, length };
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
