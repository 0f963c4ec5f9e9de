/** A row of `EXPLAIN QUERY PLAN`. */
export interface PlanRow {
  readonly id: number;
  readonly parent: number;
  readonly detail: string;
}

/** Tables that grow with every build or change. */
const HISTORY = new Set(
  (
    'source_stamps changes scheduler_changes buildsets buildset_source_stamps buildset_changes build_requests builds steps ' +
    'commands logs log_chunks deliveries hook_deliveries'
  ).split(' '),
);

/** Columns of which one value may stand for any part of the history. */
const WIDE =
  /\b(builder_id|worker_id|results|project|branch|complete_at_ms|started_at_ms|submitted_at_ms|scheduler_id|decision|complete)[=<>]/;
const NARROW =
  /\b(rowid|id|uuid|hash|build_id|step_id|buildset_id|request_id|change_id|log_id|seq|number|slug|dedup_hash|revision|rebuilt_build_id|source_stamp_id|delivery_key|cause)=\?/;

/**
 * Returns what is wrong with a plan, or null. Walking an index of a history table in order is right when a LIMIT ends the walk and only a
 * condition that nearly every row meets (complete or not) filters rows on the way. Sorting is right for the rows of a narrow key.
 */
export function judgeSqlitePlan(statement: string, plan: readonly PlanRow[]): string | null {
  // TypeORM quotes all names.
  const sql = statement.replaceAll('"', '');
  const tables = aliases(sql);
  const historyOf = (detail: string): string | null => {
    const alias = /^(?:SCAN|SEARCH) (\w+)/.exec(detail)?.[1] ?? '';
    const table = tables.get(alias) ?? alias;
    return HISTORY.has(table) ? table : null;
  };
  for (const { detail, parent } of plan) {
    const table = historyOf(detail);
    if (table && detail.startsWith('SCAN') && !isOrderedWalk(sql, plan, parent)) return `scans ${table}: ${detail}`;
    if (!detail.startsWith('USE TEMP B-TREE')) continue;
    const sorted = plan.filter((row) => row.parent === parent && historyOf(row.detail) !== null);
    const wide = sorted.find(
      (row) => row.detail.startsWith('SCAN') || (WIDE.test(row.detail) && !NARROW.test(row.detail)),
    );
    if (wide) return `sorts what it finds in ${historyOf(wide.detail)}: ${wide.detail}; ${detail}`;
  }
  return null;
}

/** Whether no table is scanned for a join, nothing is sorted, a LIMIT ends the walk, and no condition leaves out many rows. */
function isOrderedWalk(sql: string, plan: readonly PlanRow[], parent: number): boolean {
  const siblings = plan.filter((row) => row.parent === parent);
  if (siblings.some((row) => row.detail.startsWith('USE TEMP B-TREE'))) return false;
  if (/^\s*SELECT (MAX|MIN)\(\w+\)[^,]* FROM \w+\s*$/i.test(sql)) return true;
  if (!/\bLIMIT\b/.test(sql)) return false;
  const where = /\bWHERE\b(.*?)\b(?:ORDER|GROUP|LIMIT)\b/s.exec(sql)?.[1] ?? '';
  return where.replace(/\w+\.complete_at_ms IS (NOT )?NULL|\bAND\b/g, '').trim() === '';
}

const KEYWORDS = new Set([
  'where',
  'set',
  'on',
  'join',
  'left',
  'inner',
  'order',
  'limit',
  'group',
  'values',
  'union',
  'select',
]);

function aliases(sql: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const [, table, alias] of sql.matchAll(/\b(?:FROM|JOIN|UPDATE|INTO)\s+(\w+)(?:\s+(?:AS\s+)?(\w+))?/gi)) {
    if (!table) continue;
    found.set(table, table);
    if (alias && !KEYWORDS.has(alias.toLowerCase())) found.set(alias, table);
  }
  return found;
}
