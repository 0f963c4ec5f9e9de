import 'reflect-metadata';
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import Libsql from 'libsql';
import { OperationalError, UserError } from '@millrace/domain';
import { DataSource, type DataSourceOptions } from 'typeorm';
import { FirstLight0001 } from './migrations/0001-first-light.js';
import { Resume0002 } from './migrations/0002-resume.js';
import { Fleet0003 } from './migrations/0003-fleet.js';
import { Projects0004 } from './migrations/0004-projects.js';
import { Journals0005 } from './migrations/0005-journals.js';
import { NoPasswordHashes0006 } from './migrations/0006-no-password-hashes.js';
import { type DatabaseUrl, openDatabase, sqliteFile } from './open.js';

const MIGRATIONS = [FirstLight0001, Resume0002, Fleet0003, Projects0004, Journals0005, NoPasswordHashes0006];
const TABLE = 'migrations';

export interface MigrationStatus {
  readonly applied: readonly string[];
  readonly pending: readonly string[];
}

function dataSource(url: DatabaseUrl): DataSource {
  const file = sqliteFile(url);
  const shared = { migrations: MIGRATIONS, migrationsTableName: TABLE, migrationsTransactionMode: 'each' as const };
  const options: DataSourceOptions =
    file !== null
      ? { ...shared, type: 'better-sqlite3', database: file, driver: Libsql, timeout: 20_000, enableWAL: true }
      : { ...shared, type: url.startsWith('mariadb:') ? 'mariadb' : 'mysql', url: url.replace(/^mariadb:/, 'mysql:') };
  return new DataSource(options);
}

/**
 * Brings the schema up to date, one migrator at a time: three processes migrating at once fail on both databases.
 * @returns the names of the migrations applied now.
 */
export async function migrate(url: DatabaseUrl): Promise<string[]> {
  return locked(url, async () => {
    const source = await dataSource(url).initialize();
    try {
      return (await source.runMigrations()).map((migration) => migration.name);
    } finally {
      await source.destroy();
    }
  });
}

/** Takes the newest migration back. */
export async function migrateDown(url: DatabaseUrl): Promise<void> {
  await locked(url, async () => {
    const source = await dataSource(url).initialize();
    try {
      await source.undoLastMigration();
    } finally {
      await source.destroy();
    }
  });
}

export async function migrationStatus(url: DatabaseUrl): Promise<MigrationStatus> {
  const db = openDatabase(url, { connections: 1 });
  try {
    const names = MIGRATIONS.map((migration) => new migration().name);
    const applied = await db.all<{ name: string }>(`SELECT name FROM ${TABLE} ORDER BY id`).catch((error: unknown) => {
      if (isMissingTable(error)) return [];
      throw error;
    });
    const known = new Set(applied.map((row) => row.name));
    return { applied: [...known], pending: names.filter((name) => !known.has(name)) };
  } finally {
    await db.close();
  }
}

/**
 * Masters call this before anything else. A schema that is newer than the code is fine (I10: expand first, contract later).
 * @throws UserError `schema-too-old`
 */
export async function checkSchema(url: DatabaseUrl): Promise<void> {
  const { pending } = await migrationStatus(url);
  if (pending.length === 0) return;
  throw new UserError('schema-too-old', `the database lacks ${pending.join(', ')}: run 'millrace db migrate' first`, {
    pending,
  });
}

function isMissingTable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return ('code' in error && error.code === 'ER_NO_SUCH_TABLE') || /no such table/.test(error.message);
}

const LOCK_PATIENCE_MS = 60_000;

async function locked<T>(url: DatabaseUrl, work: () => Promise<T>): Promise<T> {
  const file = sqliteFile(url);
  return file === null ? lockedByServer(url, work) : lockedByFile(`${file}.migrating`, work);
}

async function lockedByServer<T>(url: DatabaseUrl, work: () => Promise<T>): Promise<T> {
  // A connection pool of one: the lock belongs to the connection and goes with it, however this process ends.
  const db = openDatabase(url, { connections: 1, answerWithinMs: 2 * LOCK_PATIENCE_MS });
  try {
    const row = await db.get<{ taken: number }>(
      `SELECT GET_LOCK(CONCAT('millrace-migrate-', DATABASE()), ?) AS taken`,
      [LOCK_PATIENCE_MS / 1000],
    );
    if (row?.taken !== 1)
      throw new OperationalError('migration-locked', 'another process has been migrating for a minute');
    return await work();
  } finally {
    await db.close();
  }
}

/** Held by a transaction on a file of its own, which ends with this process however that happens. */
async function lockedByFile<T>(file: string, work: () => Promise<T>): Promise<T> {
  mkdirSync(dirname(file), { recursive: true });
  const lock = new Libsql(file, { timeout: 0 });
  try {
    const giveUpAt = Date.now() + LOCK_PATIENCE_MS;
    while (!isTaken(lock)) {
      if (Date.now() > giveUpAt) throw new OperationalError('migration-locked', `${file} is held by another process`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return await work();
  } finally {
    lock.close();
  }
}

function isTaken(lock: InstanceType<typeof Libsql>): boolean {
  try {
    lock.exec('BEGIN EXCLUSIVE');
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'SQLITE_BUSY') return false;
    throw error;
  }
}
