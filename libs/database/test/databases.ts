import { afterAll, beforeAll, describe } from '@jest/globals';
import {
  ConfigurationStore,
  type Database,
  type DefinitionIds,
  type Incarnation,
  type MasterRole,
  migrate,
  openDatabase,
} from '@millrace/database';
import {
  type MariaDb,
  registerMaster,
  requireService,
  sqliteDatabase,
  type SqliteDatabase,
  startMariaDb,
} from '@millrace/testing';

export interface TestDatabase {
  readonly url: string;
  readonly db: Database;
}

/** Runs the same suite on SQLite and on a real MariaDB, each with a freshly migrated database. */
export function onEveryDatabase(name: string, suite: (get: () => TestDatabase) => void): void {
  describe(`${name} on SQLite`, () => {
    let current: SqliteDatabase;
    beforeAll(async () => {
      current = await sqliteDatabase();
    });
    afterAll(async () => {
      await current.close();
    });
    suite(() => current);
  });

  const describeMaria = requireService('mariadb') ? describe : describe.skip;
  describeMaria(`${name} on MariaDB`, () => {
    let server: MariaDb;
    let current: TestDatabase;
    beforeAll(async () => {
      server = await startMariaDb();
      const url = await server.createDatabase();
      await migrate(url);
      current = { url, db: openDatabase(url) };
    }, 60_000);
    afterAll(async () => {
      await current.db.close();
      await server.stop();
    });
    suite(() => current);
  });
}

let masters = 0;

export function register(
  db: Database,
  role: MasterRole,
  options: { name?: string; leaseMs?: number; pid?: number } = {},
): Promise<Incarnation> {
  masters += 1;
  return registerMaster(db, {
    ...{ role, name: options.name ?? `${role}-${masters}` },
    ...{ pid: options.pid ?? 1000 + masters, leaseMs: options.leaseMs ?? 60_000 },
  });
}

/** Configures builders `b0` … and workers `w0` …, every worker for every builder, and one scheduler `all`. */
export function configure(
  db: Database,
  me: Incarnation,
  counts: { builders: number; workers: number; maxBuilds?: number },
): Promise<DefinitionIds> {
  const workers = Array.from({ length: counts.workers }, (_, i) => `w${i}`);
  return new ConfigurationStore(db).apply(
    me,
    { fingerprint: `test-${counts.builders}-${counts.workers}`, body: '{}' },
    {
      projects: [],
      builders: Array.from({ length: counts.builders }, (_, i) => ({
        name: `b${i}`,
        tags: [],
        workers,
        fingerprint: 'f',
      })),
      workers: workers.map((name) => ({ name, maxBuilds: counts.maxBuilds ?? 1000 })),
      schedulers: [{ name: 'all', kind: 'any-branch' }],
      changeSources: [],
    },
    { serves: true },
  );
}
