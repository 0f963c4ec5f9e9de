import type { Queryable } from '../sql.js';
import { evaluate } from './evaluate.js';
import { cursorOf, type HistoryTable, plan, SMALL_SET } from './plan.js';
import { HISTORY_LIMIT, type Page, refused, type ResourceQuery } from './query.js';

type CursorRow = { readonly cursorValue: number; readonly cursorId: number };

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
  const planned = plan(table, select, query, db.dialect);
  if (planned.kind === 'small') {
    const rows = await db.all<R>(planned.sql, planned.params);
    if (rows.length > SMALL_SET) {
      throw refused(`more than ${SMALL_SET} ${table.shape.plural} match: narrow the filter`, {
        resource: table.shape.plural,
      });
    }
    return evaluate(rows.map(toView), query, HISTORY_LIMIT);
  }
  const rows = planned.limit === 0 ? [] : await db.all<R & CursorRow>(planned.sql, planned.params);
  const full = rows.length > planned.limit;
  if (full) rows.pop();
  const views = new Array<V>(rows.length);
  for (let i = 0; i < rows.length; i++) views[i] = toView(rows[i]!);
  return {
    rows: views,
    limit: planned.limit,
    total: query.offset + rows.length,
    more: full ? { cursor: cursorOf(rows.at(-1)!) } : null,
  };
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
