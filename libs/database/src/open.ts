import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { type DatabaseUrl, dataSource, sqliteFile } from './data-source.js';
import { LibsqlDataSource } from './libsql-driver.js';
import { MysqlDatabase } from './mysql.js';
import type { Database } from './sql.js';
import { SqliteDatabase } from './sqlite.js';
import { traced } from './trace.js';

/** Options for a server. SQLite has two connections and always answers. */
export interface OpenOptions {
  readonly connections?: number;
  readonly answerWithinMs?: number;
}

const CONNECTIONS = 10;

/**
 * Returns a database, which connects at its first statement. Does not migrate and does not check the schema: see `migrate` and
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

/** Whether a row with this unique key exists already. Often this is the normal way to learn that somebody else was first. */
export function isUniqueViolation(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return code === 'ER_DUP_ENTRY' || code === 'SQLITE_CONSTRAINT_UNIQUE' || code === 'SQLITE_CONSTRAINT_PRIMARYKEY';
}
