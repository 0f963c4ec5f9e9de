import { appendFileSync } from 'node:fs';
import { intercepted } from './intercepted.js';
import type { Database, SqlValue } from './sql.js';

/** One line of a trace. Buffers are written as `{ "hex": "…" }`. */
export interface TracedStatement {
  readonly sql: string;
  readonly params: readonly (Exclude<SqlValue, Buffer> | { readonly hex: string })[];
}

const EXAMPLES_KEPT = 3;

/**
 * Appends every distinct statement to a file, one JSON line each, with the parameters of its first uses, for the examination of queries
 * (`MILLRACE_TRACE_SQL=FILE`; off by default). Several processes may share the file.
 */
export function traced(db: Database, file: string): Database {
  const seen = new Map<string, number>();
  const note = (sql: string, params: readonly SqlValue[]): void => {
    const key = statementKey(sql);
    const count = (seen.get(key) ?? 0) + 1;
    seen.set(key, count);
    if (count > EXAMPLES_KEPT) return;
    const line: TracedStatement = {
      sql,
      params: params.map((value) => (Buffer.isBuffer(value) ? { hex: value.toString('hex') } : value)),
    };
    appendFileSync(file, `${JSON.stringify(line)}\n`);
  };
  return intercepted(db, ({ sql, params }, send) => (note(sql, params), send(sql, params)));
}

/** Returns a key that is the same for statements that differ only in white space and in the number of values of a list. */
export function statementKey(sql: string): string {
  return sql
    .replace(/\s+/g, ' ')
    .replace(/\([^()]*\?[^()]*\)(?:, ?\([^()]*\?[^()]*\))+/g, '(…)')
    .replace(/\?(?:, \?)+/g, '?…')
    .trim();
}
