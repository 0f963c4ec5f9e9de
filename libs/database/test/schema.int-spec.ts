import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type MariaDb, requireService, startMariaDb } from '@millrace/testing';
import type { DataSource } from 'typeorm';
import { dataSource } from '../src/data-source.js';
import { MIGRATIONS } from '../src/migrations/index.js';
import { openDatabase } from '../src/open.js';
import type { Database, Row } from '../src/sql.js';
import { insertRows, intact, readRows } from './rows.js';
import { actualSchema, describedSchema, differences, type Schema } from './schema.js';

const CASES = ['sqlite', ...(requireService('mariadb') ? ['mariadb'] : [])] as const;

const KINDS: Readonly<Record<string, string>> = {
  bigint: 'number',
  boolean: 'boolean',
  varchar: 'string',
  longtext: 'string',
  binary: 'Buffer',
  longblob: 'Buffer',
};

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return Buffer.isBuffer(value) ? 'Buffer' : typeof value;
}

describe.each(CASES)('the schema on %s', (kind) => {
  let server: MariaDb | null = null;
  let folder: string;
  let url: string;
  let db: Database;
  let source: DataSource;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-schema-'));
    if (kind === 'mariadb') server = await startMariaDb();
    url = server
      ? (await server.createDatabase()).replace(/^mysql:/, 'mariadb:')
      : `sqlite:${join(folder, 'test.sqlite')}`;
    db = openDatabase(url);
    source = await dataSource(url, 1).initialize();
  }, 60_000);
  afterAll(async () => {
    await source.destroy();
    await db.close();
    await server?.stop();
    rmSync(folder, { recursive: true });
  });

  /** Runs `work` with a migrator that has the first `count` migrations only. */
  const withMigrations = async (count: number, work: (migrator: DataSource) => Promise<unknown>): Promise<void> => {
    const migrator = dataSource(url, 1);
    migrator.setOptions({ migrations: MIGRATIONS.slice(0, count) });
    await migrator.initialize();
    try {
      await work(migrator);
    } finally {
      await migrator.destroy();
    }
  };
  const migrateTo = (count: number): Promise<void> => withMigrations(count, (migrator) => migrator.runMigrations());
  const takeBack = (count: number): Promise<void> => withMigrations(count, (migrator) => migrator.undoLastMigration());

  /** Rows that a migration inserts. */
  const INSERTED: Readonly<Record<string, Readonly<Record<string, number>>>> = {
    Fleet1700000000003: { counters: 1 },
    FinishedInOrder1700000000007: { counters: 1 },
  };
  /** Checks of the values that a migration fills into new columns and tables for existing rows. */
  const FOLLOWS: Readonly<Record<string, (before: ReadonlyMap<string, Row[]>) => Promise<void>>> = {
    Resume1700000000002: async () => {
      const rows = await db.all<{ epoch: number; attempts: number }>(`SELECT epoch, attempts FROM build_requests`);
      expect(rows.length).toBeGreaterThan(0);
      for (const { epoch, attempts } of rows) expect(epoch).toBe(attempts);
    },
    Journals1700000000005: async (before) => {
      const rows = await db.all<{ id: number }>(`SELECT master_id AS id FROM journals ORDER BY master_id`);
      expect(rows.map(({ id }) => id)).toEqual(before.get('masters')!.map(({ id }) => id));
    },
    FinishedInOrder1700000000007: async () => {
      const finished = await db.all<{ seq: number }>(
        `SELECT seq FROM buildsets WHERE complete_at_ms IS NOT NULL ORDER BY complete_at_ms, id`,
      );
      expect(finished.length).toBeGreaterThan(1);
      expect(finished.map(({ seq }) => seq)).toEqual(finished.map((_, i) => i + 1));
      const count = (table: string) => db.get(`SELECT COUNT(*) AS n FROM ${table}`);
      expect(await count(`buildsets WHERE complete_at_ms IS NULL AND seq IS NOT NULL`)).toEqual({ n: 0 });
      expect(await count(`schedulers WHERE buildset_cursor_seq <> ${finished.length}`)).toEqual({ n: 0 });
      expect(await db.get(`SELECT value FROM counters WHERE name = 'buildset-seq'`)).toEqual({
        value: finished.length,
      });
    },
  };

  describe.each(MIGRATIONS.map((migration, i) => ({ name: new migration().name, count: i + 1 })))(
    '$name',
    ({ name, count }) => {
      it('goes up, down and up again with rows in every table, and leaves them unchanged', async () => {
        await migrateTo(count - 1);
        const older = await actualSchema(db);
        await insertRows(db, older);
        const before = await readRows(db, older);
        expect([...before.values()].every((rows) => rows.length >= 3)).toBe(true);

        await migrateTo(count);
        expect(intact(before, await readRows(db, older))).toEqual(INSERTED[name] ?? {});
        await FOLLOWS[name]?.(before);

        await takeBack(count);
        expect(differences(older, await actualSchema(db))).toEqual([]);
        expect(intact(before, await readRows(db, older))).toEqual({});
        await migrateTo(count);
      });
    },
  );

  it('agrees with the entities, in a database that every release has written to', async () => {
    expect(Object.fromEntries(await actualSchema(db))).toEqual(Object.fromEntries(describedSchema(source)));
  });

  it('is read correctly by the entities: numbers, text, booleans and bytes', async () => {
    await insertRows(db, describedSchema(source));
    for (const entity of source.entityMetadatas) {
      const rows = (await source.getRepository(entity.target).find()) as Row[];
      for (const { propertyName, type } of entity.columns) {
        const kinds = rows.map((row) => kindOf(row[propertyName])).filter((found) => found !== 'null');
        expect([entity.tableName, propertyName, ...new Set(kinds)]).toEqual([
          entity.tableName,
          propertyName,
          KINDS[type as string],
        ]);
      }
    }
  });

  if (kind === 'mariadb') {
    it('needs no changes according to TypeORM itself', async () => {
      // TypeORM compares neither collations nor the order of an index's columns.
      const { upQueries } = await source.driver.createSchemaBuilder().log();
      expect(upQueries.map(({ query }) => query)).toEqual([]);
    });
  }

  describe('is reported as different', () => {
    const recreated = (table: string, columns: string): string[] => [
      `DROP TABLE ${table}`,
      `CREATE TABLE ${table} (${columns})`,
    ];
    const dropIndex = (table: string, name: string): string =>
      `DROP INDEX ${name}${kind === 'sqlite' ? '' : ` ON ${table}`}`;
    const BOTH = [
      ['a missing column', [`ALTER TABLE workers DROP COLUMN address`], ['workers.address']],
      ['a column too many', [`ALTER TABLE workers ADD COLUMN stray BIGINT`], ['workers.stray']],
      [
        'a missing table',
        [`DROP TABLE adoptions`],
        [
          'adoptions',
          ...['build_id', 'epoch', 'from_master_id', 'to_master_id', 'adopted_at_ms'].map(
            (column) => `adoptions.${column}`,
          ),
          'adoptions primary key',
        ],
      ],
      ['a missing index', [dropIndex('claims', 'claims_worker')], ['claims index claims_worker']],
      ['an index too many', [`CREATE INDEX strays ON claims (epoch)`], ['claims index strays']],
      [
        'an index in another order',
        [
          dropIndex('queue', 'queue_builder'),
          `CREATE INDEX queue_builder ON queue (queue_rank, builder_id, request_id)`,
        ],
        ['queue index queue_builder'],
      ],
      [
        'an index that is not unique',
        [dropIndex('steps', 'steps_number'), `CREATE INDEX steps_number ON steps (build_id, number)`],
        ['steps index steps_number'],
      ],
      [
        'an index that is downwards',
        [dropIndex('builds', 'builds_started'), `CREATE INDEX builds_started ON builds (started_at_ms DESC, id)`],
        ['builds index builds_started'],
      ],
    ] as const;
    const SQLITE = [
      [
        'another type, nullability, default and primary key',
        recreated(
          'journals',
          'master_id TEXT NOT NULL, master_epoch INTEGER, group_number INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (master_epoch, master_id)',
        ),
        ['journals primary key', 'journals.group_number', 'journals.master_epoch', 'journals.master_id'],
      ],
      [
        'ids that are used again, a missing unique key, another collation',
        recreated(
          'change_sources',
          'id INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL COLLATE NOCASE, state TEXT, state_since_ms INTEGER, error TEXT',
        ),
        ['change_sources', 'change_sources index name', 'change_sources.id'],
      ],
      [
        'an index with a condition',
        [dropIndex('logs', 'logs_build'), `CREATE INDEX logs_build ON logs (build_id) WHERE complete = 0`],
        ['logs index logs_build'],
      ],
    ] as const;
    const MARIADB = [
      ['another type', [`ALTER TABLE journals MODIFY group_number INT NOT NULL`], ['journals.group_number']],
      [
        'a number without sign',
        [`ALTER TABLE queue MODIFY submitted_at_ms BIGINT UNSIGNED NOT NULL`],
        ['queue.submitted_at_ms'],
      ],
      ['another nullability', [`ALTER TABLE journals MODIFY master_epoch BIGINT`], ['journals.master_epoch']],
      [
        'another length',
        [`ALTER TABLE masters MODIFY version VARCHAR(31) COLLATE utf8mb4_bin NOT NULL`],
        ['masters.version'],
      ],
      ['another length of bytes', [`ALTER TABLE commands MODIFY uuid BINARY(20) NOT NULL`], ['commands.uuid']],
      [
        'shorter text',
        [`ALTER TABLE revisions MODIFY body MEDIUMTEXT COLLATE utf8mb4_bin NOT NULL`],
        ['revisions.body'],
      ],
      [
        'another collation',
        [`ALTER TABLE projects MODIFY name VARCHAR(190) COLLATE utf8mb4_general_ci NOT NULL`],
        ['projects.name'],
      ],
      ['another collation of the table', [`ALTER TABLE projects COLLATE utf8mb4_general_ci`], ['projects']],
      ['another engine', [`ALTER TABLE object_state ENGINE = Aria ROW_FORMAT = DYNAMIC`], ['object_state']],
      ['another default', [`ALTER TABLE workers ALTER COLUMN failures SET DEFAULT 1`], ['workers.failures']],
      ['a default too many', [`ALTER TABLE steps ALTER COLUMN hidden SET DEFAULT 0`], ['steps.hidden']],
      ['ids that are not generated', [`ALTER TABLE change_sources MODIFY id BIGINT NOT NULL`], ['change_sources.id']],
      [
        'another primary key',
        [`ALTER TABLE log_chunks DROP PRIMARY KEY, ADD PRIMARY KEY (first_line, log_id)`],
        ['log_chunks primary key'],
      ],
      [
        'an index of a part',
        [dropIndex('changes', 'changes_revision'), `CREATE INDEX changes_revision ON changes (revision(20))`],
        ['changes index changes_revision'],
      ],
      [
        'a foreign key',
        [`ALTER TABLE logs ADD CONSTRAINT strays FOREIGN KEY (build_id) REFERENCES builds (id)`],
        ['logs constraint strays'],
      ],
      ['a condition', [`ALTER TABLE steps ADD CONSTRAINT strays CHECK (number > -1000)`], ['steps constraint strays']],
    ] as const;

    let described: Schema;
    let known: string[] = [];
    beforeAll(async () => {
      described = describedSchema(source);
      const tables = [...described.keys()].filter((subject) => /^\w+$/.test(subject));
      for (const table of tables) await db.run(`DELETE FROM ${table}`);
    });
    it.each<readonly [string, readonly string[], readonly string[]]>([
      ...BOTH,
      ...(kind === 'sqlite' ? SQLITE : MARIADB),
    ])('by %s', async (_name, statements, subjects) => {
      for (const statement of statements) await db.run(statement);
      const found = differences(described, await actualSchema(db));
      expect(found.filter((subject) => !known.includes(subject))).toEqual([...subjects].sort());
      known = found;
    });
  });
});
