import Libsql from 'libsql';
import { DataSource, type DataSourceOptions, type ObjectLiteral, QueryResult } from 'typeorm';
import { BetterSqlite3Driver } from 'typeorm/driver/better-sqlite3/BetterSqlite3Driver.js';
import { BetterSqlite3QueryRunner } from 'typeorm/driver/better-sqlite3/BetterSqlite3QueryRunner.js';
import { numericIds } from './generated-ids.js';
import type { SqlValue } from './sql.js';
import { asOperational, patiently, SqliteConnection } from './sqlite-connection.js';
import { Turns } from './turns.js';

/** TypeORM's DataSource of an SQLite file, using libsql. */
export class LibsqlDataSource extends DataSource {
  declare driver: LibsqlDriver;

  constructor(file: string, options: Omit<DataSourceOptions, 'type' | 'database' | 'driver'>) {
    super({ ...options, type: 'better-sqlite3', database: file, driver: Libsql } as DataSourceOptions);
    this.driver = new LibsqlDriver(this);
  }
}

/** SQLite's names of the types that entities have. SQLite ignores their lengths and collations. */
const TYPES: Readonly<Record<string, 'integer' | 'text' | 'blob'>> = {
  bigint: 'integer',
  boolean: 'integer',
  varchar: 'text',
  longtext: 'text',
  longblob: 'blob',
  binary: 'blob',
};

/**
 * TypeORM's driver of better-sqlite3, adapted to libsql and to concurrent transactions. The differences are:
 * - There are two connections, so that reads outside of a transaction never see one half-done.
 * - Each query runner is a separate object, and transactions of one process wait for their turn. TypeORM shares one runner, so that a
 *   statement of one
 *   transaction becomes part of another.
 * - Numbers are bound. TypeORM writes them into the statement, so that each id makes a statement of its own to be prepared and cached.
 */
export class LibsqlDriver extends BetterSqlite3Driver {
  /** The connection for writes. It has one transaction at a time. */
  writer: SqliteConnection;
  reader: SqliteConnection;
  readonly turns = new Turns();

  override createQueryRunner(): LibsqlQueryRunner {
    return new LibsqlQueryRunner(this);
  }

  protected override async createDatabaseConnection(): Promise<SqliteConnection['raw']> {
    const file = this.options.database;
    try {
      this.writer = SqliteConnection.open(file);
      this.reader = SqliteConnection.open(file);
    } catch (error) {
      throw asOperational(error);
    }
    return this.writer.raw;
  }

  override async disconnect(): Promise<void> {
    await this.turns.run(async () => {
      this.writer.close();
      this.reader.close();
    });
  }

  override createGeneratedMap(
    ...[metadata, ...result]: Parameters<BetterSqlite3Driver['createGeneratedMap']>
  ): ObjectLiteral | undefined {
    return numericIds(metadata, super.createGeneratedMap(metadata, ...result));
  }

  override escapeQueryWithParameters(sql: string, parameters: ObjectLiteral): [string, unknown[]] {
    const boxed = Object.entries(parameters).map(([name, value]) => [name, box(value)] as const);
    const [statement, values] = super.escapeQueryWithParameters(sql, Object.fromEntries(boxed));
    return [statement, values.map((value: unknown) => (value instanceof Number ? value.valueOf() : value))];
  }

  override normalizeType(column: Parameters<BetterSqlite3Driver['normalizeType']>[0]): string {
    const type = super.normalizeType(column);
    return TYPES[type] ?? type;
  }
}

/** Wraps a number so that TypeORM does not take it for one. */
function box(value: unknown): unknown {
  return typeof value === 'number' ? new Number(value) : value;
}

/**
 * The query runner of migrations: its statements wait for the writer's turn, and its transactions begin with the lock that they will need.
 */
class LibsqlQueryRunner extends BetterSqlite3QueryRunner {
  private endTurn: (() => void) | null = null;

  constructor(override readonly driver: LibsqlDriver) {
    super(driver);
  }

  override query(sql: string, parameters: SqlValue[] | undefined, useStructuredResult: true): Promise<QueryResult>;
  override query<T>(sql: string, parameters?: SqlValue[], useStructuredResult?: boolean): Promise<T>;
  override async query(sql: string, parameters: SqlValue[] = [], useStructuredResult = false): Promise<unknown> {
    // A deferred transaction that upgrades its lock fails at once, however long the busy timeout is.
    const statement = sql === 'BEGIN TRANSACTION' ? 'BEGIN IMMEDIATE' : sql;
    const send = (): Promise<QueryResult> => patiently(() => execute(this.driver.writer, statement, parameters));
    const result = this.endTurn ? await send() : await this.driver.turns.run(send);
    return useStructuredResult ? result : (result.raw as unknown);
  }

  override async startTransaction(): Promise<void> {
    this.endTurn ??= await this.driver.turns.take();
    await this.untilOver(() => super.startTransaction());
  }

  override async commitTransaction(): Promise<void> {
    await this.untilOver(() => super.commitTransaction());
  }

  override async rollbackTransaction(): Promise<void> {
    await this.untilOver(() => super.rollbackTransaction());
  }

  override async release(): Promise<void> {
    if (this.endTurn && this.driver.writer.inTransaction) this.driver.writer.exec('ROLLBACK');
    await this.untilOver(() => super.release());
  }

  /** Ends the turn when the transaction has ended, for whatever reason: SQLite itself rolls back when the disk is full. */
  private async untilOver(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } finally {
      if (this.endTurn && !this.driver.writer.inTransaction) {
        this.isTransactionActive = false;
        this.transactionDepth = 0;
        this.endTurn();
        this.endTurn = null;
      }
    }
  }
}

function execute(connection: SqliteConnection, sql: string, params: readonly SqlValue[]): QueryResult {
  const result = new QueryResult();
  if (connection.returnsRows(sql)) {
    result.records = connection.all(sql, params);
    result.raw = result.records;
  } else {
    const { affected, insertId } = connection.run(sql, params);
    result.affected = affected;
    // TypeORM computes the ids backwards from the last.
    result.raw = insertId + Math.max(affected - 1, 0);
  }
  return result;
}
