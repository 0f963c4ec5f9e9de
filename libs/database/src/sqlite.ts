import type { EntityTarget, ObjectLiteral, Repository } from 'typeorm';
import type { LibsqlDataSource, LibsqlDriver } from './libsql-driver.js';
import { Opening } from './opening.js';
import { Repositories } from './repositories.js';
import { type Database, type Row, SQLITE, type SqlValue, type Transaction, type Written } from './sql.js';
import { asOperational, patiently, type SqliteConnection } from './sqlite-connection.js';

/**
 * SQLite through libsql, for several processes on one file (WAL).
 *
 * Writes use one connection, one transaction at a time, always `BEGIN IMMEDIATE` (a deferred transaction that upgrades its lock fails at
 * once whatever the busy timeout is). Reads use another connection, so they never see a transaction half-done. Statements are prepared on
 * these connections directly: through TypeORM's query runner a point read costs 1.5 times as much and a small transaction twice as much,
 * through a repository a point read five times.
 */
export class SqliteDatabase implements Database {
  readonly dialect = SQLITE;
  private readonly opening: Opening;
  private readonly driver: LibsqlDriver;
  private readonly repositories: Repositories;

  constructor(private readonly source: LibsqlDataSource) {
    this.opening = new Opening(source);
    this.driver = source.driver;
    this.repositories = new Repositories(source, this, false);
  }

  async all<T = Row>(sql: string, params: readonly SqlValue[] = []): Promise<T[]> {
    if (!this.opening.isOpen) await this.opening.opened();
    return patiently(() => this.driver.reader.all<T>(sql, params));
  }

  async get<T = Row>(sql: string, params: readonly SqlValue[] = []): Promise<T | undefined> {
    return (await this.all<T>(sql, params))[0];
  }

  run(sql: string, params: readonly SqlValue[] = []): Promise<Written> {
    return this.exclusively((writer) => patiently(() => writer.run(sql, params)));
  }

  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    return this.exclusively(async (writer) => {
      await patiently(() => writer.exec('BEGIN IMMEDIATE'));
      try {
        const tx = new SqliteTransaction(this.source, writer);
        const result = await work(tx);
        tx.end();
        await patiently(() => writer.exec('COMMIT'));
        return result;
      } catch (error) {
        // A full disk may have rolled back already. A second rollback then fails with nothing new to report.
        if (writer.inTransaction) writer.exec('ROLLBACK');
        throw asOperational(error);
      }
    });
  }

  async repository<T extends ObjectLiteral>(entity: EntityTarget<T>): Promise<Repository<T>> {
    if (!this.opening.isOpen) await this.opening.opened();
    return this.repositories.of(entity);
  }

  close(): Promise<void> {
    return this.opening.close();
  }

  private exclusively<T>(work: (writer: SqliteConnection) => Promise<T>): Promise<T> {
    if (!this.opening.isOpen) return this.opening.opened().then(() => this.exclusively(work));
    return this.driver.turns.run(() => work(this.driver.writer));
  }
}

class SqliteTransaction implements Transaction {
  readonly dialect = SQLITE;
  readonly inTransaction = true;
  private readonly atEnd: { readonly sql: string; readonly params: readonly SqlValue[] }[] = [];
  private readonly repositories: Repositories;

  constructor(
    source: LibsqlDataSource,
    private readonly writer: SqliteConnection,
  ) {
    this.repositories = new Repositories(source, this, true);
  }

  async all<T = Row>(sql: string, params: readonly SqlValue[] = []): Promise<T[]> {
    return this.writer.all<T>(sql, params);
  }

  async get<T = Row>(sql: string, params: readonly SqlValue[] = []): Promise<T | undefined> {
    return this.writer.all<T>(sql, params)[0];
  }

  async run(sql: string, params: readonly SqlValue[] = []): Promise<Written> {
    return this.writer.run(sql, params);
  }

  async defer(sql: string, params: readonly SqlValue[] = []): Promise<void> {
    this.writer.run(sql, params);
  }

  async deferAll<T = Row>(sql: string, params: readonly SqlValue[] = []): Promise<() => T[]> {
    const rows = this.writer.all<T>(sql, params);
    return () => rows;
  }

  async deferInsert(sql: string, params: readonly SqlValue[] = []): Promise<() => number> {
    const { insertId } = this.writer.run(sql, params);
    return () => insertId;
  }

  async sendDeferred(): Promise<void> {}

  async deferToEnd(sql: string, params: readonly SqlValue[] = []): Promise<void> {
    this.atEnd.push({ sql, params });
  }

  /** Runs the statements deferred to the end. */
  end(): void {
    for (const { sql, params } of this.atEnd) this.writer.run(sql, params);
  }

  async repository<T extends ObjectLiteral>(entity: EntityTarget<T>): Promise<Repository<T>> {
    return this.repositories.of(entity);
  }
}
