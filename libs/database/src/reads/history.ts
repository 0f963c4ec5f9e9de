import type { Sight } from '@millrace/domain';
import type { Queryable } from '../sql.js';
import { evaluate, isMatch } from './evaluate.js';
import {
  cursorOf,
  type HistoryTable,
  type OrderedPlan,
  type Plan,
  plan,
  SMALL_SET,
  variantsFor,
  walkFor,
} from './plan.js';
import { effectiveLimit, HISTORY_LIMIT, type Page, type ResourceQuery, WALK } from './query.js';

type CursorRow = { readonly cursorValue: number; readonly cursorId: number };

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
  const planned = firstPlan(reading, query);
  if (planned?.kind === 'ordered') return (await readOrdered(reading, planned, query.offset)).page;
  if (planned) {
    const rows = await db.all<R>(planned.sql, planned.params);
    if (rows.length <= SMALL_SET) return evaluate(rows.map(toView), query, HISTORY_LIMIT);
  }
  return walk(reading, query);
}

function firstPlan(
  { table, select, db }: Pick<Reading<object, object>, 'table' | 'select' | 'db'>,
  query: ResourceQuery,
): Plan | null {
  for (const variant of variantsFor(table, query)) {
    const planned = plan(table, select, variant, db.dialect);
    if (planned) return planned;
  }
  return null;
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
): Promise<{ page: Page<V>; places: readonly CursorRow[] }> {
  const rows = planned.limit === 0 ? [] : await db.all<R & CursorRow>(planned.sql, planned.params);
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

/**
 * Looks at rows one after another, page by page, for a query that no index answers. Rows that come in the order asked for are returned as
 * soon as there are enough of them, and the page goes on where the walk ended. Otherwise those that were looked at, the newest ones, are sorted.
 */
async function walk<R extends object, V extends object>(
  reading: Reading<R, V>,
  query: ResourceQuery,
): Promise<Page<V>> {
  const { inOrder, pageAfter } = walkFor(reading.table, reading.select, query, reading.db.dialect);
  const limit = effectiveLimit(query, HISTORY_LIMIT);
  const wanted = inOrder ? query.offset + limit : Infinity;
  const untilMs = performance.now() + WALK.forMs;
  const found: V[] = [];
  let examined = 0;
  let cursor = query.cursor;
  let isMore = true;
  while (isMore && found.length < wanted && examined < WALK.rows && performance.now() < untilMs) {
    const { page, places } = await readOrdered(reading, pageAfter(cursor), 0);
    isMore = page.more !== null;
    for (const [index, row] of page.rows.entries()) {
      examined++;
      cursor = cursorOf(places[index]!);
      if (!isMatch(row, query)) continue;
      found.push(row);
      if (found.length < wanted) continue;
      isMore ||= index + 1 < page.rows.length;
      break;
    }
  }
  const walked = { examined: { rows: examined, partial: isMore } };
  if (!inOrder) return { ...evaluate(found, query, HISTORY_LIMIT), ...walked };
  const rows = found.slice(query.offset);
  return { rows, limit, total: query.offset + rows.length, more: isMore ? { cursor } : null, ...walked };
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
