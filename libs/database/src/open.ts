import { mkdirSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { hasReadableUser, schemeOf, UserError } from '@millrace/domain';
import { MysqlDatabase, type MysqlOptions } from './mysql.js';
import type { Database } from './sql.js';
import { SqliteDatabase } from './sqlite.js';
import { traced } from './trace.js';

/** Where the database is: `sqlite:PATH`, `mysql://…` or `mariadb://…` (the setting `MILLRACE_DB`). */
export type DatabaseUrl = string;

/** The file of a `sqlite:` URL, absolute; null for another kind. */
export function sqliteFile(url: DatabaseUrl): string | null {
  return url.startsWith('sqlite:') ? resolve(url.slice('sqlite:'.length).replace(/^\/\/(?=\/)/, '')) : null;
}

/**
 * Connects (MySQL: lazily; the options are about that only). Does not migrate and does not look at the schema: see `migrate` and `checkSchema`.
 * @throws UserError `bad-database-url`
 */
export function openDatabase(url: DatabaseUrl, options: MysqlOptions = {}): Database {
  const db = connect(url, options);
  const trace = process.env['MILLRACE_TRACE_SQL'];
  return trace ? traced(db, trace) : db;
}

function connect(url: DatabaseUrl, options: MysqlOptions): Database {
  const file = sqliteFile(url);
  if (file !== null) {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    return new SqliteDatabase(file);
  }
  if (/^(mysql|mariadb):\/\//.test(url) && URL.canParse(url) && hasReadableUser(new URL(url))) {
    return new MysqlDatabase(url.replace(/^mariadb:/, 'mysql:'), options);
  }
  throw new UserError(
    'bad-database-url',
    `MILLRACE_DB is '${schemeOf(url)}': expected sqlite:PATH, mysql://USER:PASSWORD@HOST:PORT/NAME or mariadb://…`,
    { setting: 'MILLRACE_DB' },
  );
}

/** True when a row with this unique key exists already: often the normal way to learn that somebody else was first. */
export function isUniqueViolation(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return code === 'ER_DUP_ENTRY' || code === 'SQLITE_CONSTRAINT_UNIQUE' || code === 'SQLITE_CONSTRAINT_PRIMARYKEY';
}
