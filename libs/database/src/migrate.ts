import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import Libsql from 'libsql';
import { OperationalError, UserError } from '@millrace/domain';
import type { DataSource } from 'typeorm';
import { type DatabaseUrl, dataSource, MIGRATIONS_TABLE, sqliteFile } from './data-source.js';
import { MIGRATIONS } from './migrations/index.js';
import { openDatabase } from './open.js';

export interface MigrationStatus {
  readonly applied: readonly string[];
  readonly pending: readonly string[];
}

/**
 * Brings the schema up to date, one migrator at a time: on both databases concurrent migrations would fail.
 * @returns the names of the migrations applied now
 */
export async function migrate(url: DatabaseUrl): Promise<string[]> {
  return locked(url, async (source) => (await source.runMigrations()).map((migration) => migration.name));
}

/** Reverts the newest migration. */
export async function migrateDown(url: DatabaseUrl): Promise<void> {
  await locked(url, (source) => source.undoLastMigration());
}

export async function migrationStatus(url: DatabaseUrl): Promise<MigrationStatus> {
  const db = openDatabase(url, { connections: 1 });
  try {
    const names = MIGRATIONS.map((migration) => new migration().name);
    const applied = await db
      .all<{ name: string }>(`SELECT name FROM ${MIGRATIONS_TABLE} ORDER BY id`)
      .catch((error: unknown) => {
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
 * Checks the schema. Masters call this before anything else. A schema newer than the code is allowed (I10: expand first, contract later).
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

async function locked<T>(url: DatabaseUrl, work: (source: DataSource) => Promise<T>): Promise<T> {
  const file = sqliteFile(url);
  const migrating = async (): Promise<T> => {
    const source = await dataSource(url, 1).initialize();
    try {
      return await work(source);
    } finally {
      await source.destroy();
    }
  };
  return file === null ? lockedByServer(url, migrating) : lockedByFile(`${file}.migrating`, migrating);
}

async function lockedByServer<T>(url: DatabaseUrl, work: () => Promise<T>): Promise<T> {
  // A connection pool of one: the lock belongs to the connection and ends with it, however this process ends.
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

/** Runs work under a lock: a transaction on a file of its own, which ends with this process, however it ends. */
async function lockedByFile<T>(file: string, work: () => Promise<T>): Promise<T> {
  mkdirSync(dirname(file), { recursive: true });
  const lock = new Libsql(file, { timeout: 0 });
  try {
    const giveUpAt = performance.now() + LOCK_PATIENCE_MS;
    while (!isTaken(lock)) {
      if (performance.now() > giveUpAt)
        throw new OperationalError('migration-locked', `${file} is held by another process`);
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
