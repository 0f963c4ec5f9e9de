import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { type DatabaseUrl, dataSource, sqliteFile } from './data-source.js';
import { LibsqlDataSource } from './libsql-driver.js';
import { MysqlDatabase } from './mysql.js';
import type { Database } from './sql.js';
import { SqliteDatabase } from './sqlite.js';
import { traced } from './trace.js';

/** About a server; SQLite has two connections, and answers. */
export interface OpenOptions {
  readonly connections?: number;
  readonly answerWithinMs?: number;
}

const CONNECTIONS = 10;

/**
 * A database, which is connected to when it is first asked something. Does not migrate and does not look at the schema: see `migrate` and
 * `checkSchema`.
 * @throws UserError `bad-database-url`
 */
export function openDatabase(url: DatabaseUrl, options: OpenOptions = {}): Database {
  const source = dataSource(url, options.connections ?? CONNECTIONS);
  const file = sqliteFile(url);
  if (file !== null) mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const db =
    source instanceof LibsqlDataSource ? new SqliteDatabase(source) : new MysqlDatabase(source, options.answerWithinMs);
  const trace = process.env['MILLRACE_TRACE_SQL'];
  return trace ? traced(db, trace) : db;
}

/** True when a row with this unique key exists already: often the normal way to learn that somebody else was first. */
export function isUniqueViolation(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return code === 'ER_DUP_ENTRY' || code === 'SQLITE_CONSTRAINT_UNIQUE' || code === 'SQLITE_CONSTRAINT_PRIMARYKEY';
}
