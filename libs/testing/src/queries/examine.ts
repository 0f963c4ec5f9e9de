import { readFileSync } from 'node:fs';
import {
  type Database,
  isUniqueViolation,
  openDatabase,
  type Queryable,
  type SqlValue,
  statementKey,
  type TracedStatement,
  type Transaction,
} from '@millrace/database';
import { judgeSqlitePlan, type PlanRow } from './sqlite-plan.js';

/** A statement that reads more rows than it needs. */
export interface Finding {
  readonly sql: string;
  readonly params: readonly SqlValue[];
  readonly problem: string;
}

export interface Examination {
  /** Number of distinct statements that were examined. */
  readonly statements: number;
  readonly findings: readonly Finding[];
}

/** Allowed rows: ten times those returned, and some more (an index is left one row after the last match). */
const EXAMINED_PER_ROW = 10;
const EXAMINED_FREE = 40;

/** Examines every statement of a trace (`MILLRACE_TRACE_SQL`) against the database that it was made on. Changes nothing. */
export async function examineQueries(url: string, traceFile: string): Promise<Examination> {
  const db = openDatabase(url, { connections: 1 });
  try {
    const statements = readTrace(traceFile);
    const found = new Map<string, Finding>();
    for (const { sql, params } of statements) {
      const problem = db.dialect.name === 'sqlite' ? await onSqlite(db, sql) : await onMysql(db, sql, params);
      if (problem !== null) found.set(statementKey(sql), { sql: sql.replace(/\s+/g, ' '), params, problem });
    }
    const distinct = new Set(statements.map(({ sql }) => statementKey(sql)));
    return { statements: distinct.size, findings: [...found.values()] };
  } finally {
    await db.close();
  }
}

function readTrace(file: string): { sql: string; params: SqlValue[] }[] {
  const lines = readFileSync(file, 'utf8').trim().split('\n');
  return lines.map((line) => {
    const { sql, params } = JSON.parse(line) as TracedStatement;
    return {
      sql,
      params: params.map((value) =>
        typeof value === 'object' && value !== null ? Buffer.from(value.hex, 'hex') : value,
      ),
    };
  });
}

async function onSqlite(db: Database, sql: string): Promise<string | null> {
  return judgeSqlitePlan(sql, await db.all<PlanRow>(`EXPLAIN QUERY PLAN ${sql}`));
}

/**
 * Runs a statement and rolls it back: InnoDB itself reports how many rows it touched. An INSERT matters only for the rows that it selects.
 */
async function onMysql(db: Database, sql: string, params: readonly SqlValue[]): Promise<string | null> {
  if (!/^\s*(SELECT|INSERT|UPDATE|DELETE)/i.test(sql) || /GET_LOCK/.test(sql)) return null;
  let problem: string | null = null;
  await db
    .transaction(async (tx) => {
      const before = await counters(tx);
      let returned: number;
      if (/^\s*SELECT/i.test(sql)) returned = (await tx.all(sql, params)).length;
      else if (/^\s*INSERT/i.test(sql)) returned = /SELECT/i.test(sql) ? await inserted(tx, sql, params) : 1;
      else returned = (await tx.run(sql, params)).affected;
      const after = await counters(tx);
      const examined = after.examined - before.examined;
      const sorted = after.sorted - before.sorted;
      const allowed = EXAMINED_FREE + EXAMINED_PER_ROW * returned;
      if (examined > allowed) problem = `examined ${examined} rows for ${returned}`;
      else if (sorted > allowed) problem = `sorted ${sorted} rows for ${returned}`;
      throw new TakeBack();
    })
    .catch((error: unknown) => {
      if (!(error instanceof TakeBack)) throw error;
    });
  return problem;
}

class TakeBack extends Error {}

/** Runs an INSERT. Usually the row exists already; the rows selected for it have been counted then. */
async function inserted(tx: Transaction, sql: string, params: readonly SqlValue[]): Promise<number> {
  try {
    return (await tx.run(sql, params)).affected;
  } catch (error) {
    if (!isUniqueViolation(error)) throw error;
    return 1;
  }
}

async function counters(db: Queryable): Promise<{ examined: number; sorted: number }> {
  const rows = await db.all<{ Variable_name: string; Value: string }>(
    `SHOW SESSION STATUS WHERE Variable_name LIKE 'Handler_read%' OR Variable_name IN ('Handler_tmp_write', 'Sort_rows')`,
  );
  const counts = new Map(rows.map((row) => [row.Variable_name, Number(row.Value)]));
  const of = (...names: string[]): number => names.reduce((sum, name) => sum + (counts.get(name) ?? 0), 0);
  const reads = [...counts.keys()].filter((name) => name.startsWith('Handler_read'));
  // Rows of temporary tables (a list of values, merged pages) are read back once each. They have been counted when they were found.
  const readBack = of('Handler_tmp_write', 'Handler_read_rnd', 'Handler_read_rnd_deleted', 'Handler_read_retry');
  return { examined: of(...reads) - readBack, sorted: of('Sort_rows') };
}
