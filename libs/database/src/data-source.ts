import 'reflect-metadata';
import { resolve } from 'node:path';
import { redactAddresses, UserError } from '@millrace/domain';
import { ColumnNames, ENTITIES } from './entities/index.js';
import { LibsqlDataSource } from './libsql-driver.js';
import { MIGRATIONS } from './migrations/index.js';
import { PoolDataSource } from './mysql-driver.js';

/** Address of the database: `sqlite:PATH`, `mysql://…` or `mariadb://…` (the setting `MILLRACE_DB`). */
export type DatabaseUrl = string;

export const MIGRATIONS_TABLE = 'migrations';

const OPTIONS = {
  entities: ENTITIES,
  namingStrategy: new ColumnNames(),
  migrations: MIGRATIONS,
  migrationsTableName: MIGRATIONS_TABLE,
  migrationsTransactionMode: 'each' as const,
};

/** Returns the absolute path of a `sqlite:` URL; null for another kind. */
export function sqliteFile(url: DatabaseUrl): string | null {
  return url.startsWith('sqlite:') ? resolve(url.slice('sqlite:'.length).replace(/^\/\/(?=\/)/, '')) : null;
}

/**
 * Makes the owner of a database's connections, which are not opened yet.
 * @throws UserError `bad-database-url`
 */
export function dataSource(url: DatabaseUrl, connections: number): LibsqlDataSource | PoolDataSource {
  const file = sqliteFile(url);
  if (file !== null) return new LibsqlDataSource(file, OPTIONS);
  // An unreadable address is an error for the user. Trying again would not help.
  if (/^(mysql|mariadb):\/\//.test(url) && URL.canParse(url)) return new PoolDataSource(url, connections, OPTIONS);
  throw new UserError(
    'bad-database-url',
    `MILLRACE_DB is '${redactAddresses(url.includes('://') ? url : url.replace(/^.*@/s, '***@'))}': expected sqlite:PATH, mysql://USER:PASSWORD@HOST:PORT/NAME or mariadb://…`,
    { setting: 'MILLRACE_DB' },
  );
}
