import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Database,
  type Incarnation,
  type MasterRole,
  MasterStore,
  migrate,
  openDatabase,
} from '@millrace/database';

/** An empty, migrated SQLite database. */
export interface SqliteDatabase {
  readonly url: string;
  readonly db: Database;
  /** The folder that holds the file, for whatever else a test needs. */
  readonly folder: string;
  /** Closes the database and removes the folder. */
  close(): Promise<void>;
}

export async function sqliteDatabase(): Promise<SqliteDatabase> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-'));
  const url = `sqlite:${join(folder, 'test.sqlite')}`;
  await migrate(url);
  const db = openDatabase(url);
  return {
    ...{ url, db, folder },
    close: async () => {
      await db.close();
      rmSync(folder, { recursive: true });
    },
  };
}

export interface MasterInTest {
  readonly name: string;
  readonly role?: MasterRole;
  readonly pid?: number;
  readonly leaseMs?: number;
  /** Whether its process counts as running when another master takes its name. */
  readonly isAlive?: boolean;
}

/** Registers a master that has no process: this test. Its lease lasts ten minutes unless told otherwise. */
export function registerMaster(
  db: Database,
  { name, role = 'engine', pid = process.pid, leaseMs = 600_000, isAlive = true }: MasterInTest,
): Promise<Incarnation> {
  return new MasterStore(db).register({
    ...{ name, role, pid, leaseMs },
    ...{ host: 'test', version: 'test', isAlive: () => isAlive },
  });
}
