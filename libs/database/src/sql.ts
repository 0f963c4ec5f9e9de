import type { EntityTarget, ObjectLiteral, Repository } from 'typeorm';

/**
 * A value of a statement. Every store uses this interface: raw SQL with `?` placeholders that both dialects understand, the few fragments
 * in which the dialects differ, and TypeORM's repositories for what is not hot.
 */
export type SqlValue = null | number | string | boolean | Buffer;
export type Row = Record<string, unknown>;

export interface Written {
  /** Number of rows matched (not: rows changed), the same on both dialects. */
  readonly affected: number;
  /** The AUTO_INCREMENT id of the (first) inserted row. */
  readonly insertId: number;
}

/** A receiver of statements: the database itself (autocommit) or one transaction. */
export interface Queryable {
  readonly dialect: Dialect;
  all<T = Row>(sql: string, params?: readonly SqlValue[]): Promise<T[]>;
  get<T = Row>(sql: string, params?: readonly SqlValue[]): Promise<T | undefined>;
  run(sql: string, params?: readonly SqlValue[]): Promise<Written>;
  /** Returns TypeORM's repository of a table, whose statements are sent in the same way. For this package only: no other has entities. */
  repository<T extends ObjectLiteral>(entity: EntityTarget<T>): Promise<Repository<T>>;
}

/** A transaction. Only `Database.transaction` makes one, so a method that takes one cannot be called without. */
export interface Transaction extends Queryable {
  readonly inTransaction: true;
  /**
   * Sends a write whose result nobody needs together with the next statement, or with the commit, in the given order: one round trip
   * instead of two. Its error is thrown by the statement that it was sent with.
   */
  defer(sql: string, params?: readonly SqlValue[]): Promise<void>;
  /**
   * Sends a read together with the next statement, in the given order, as `defer` does with a write.
   * @returns what returns the rows, once the next statement that is not deferred, or the commit, has been answered
   */
  deferAll<T = Row>(sql: string, params?: readonly SqlValue[]): Promise<() => T[]>;
  /**
   * Sends an INSERT of one row together with the next statement, in the given order, as `defer` does.
   * @returns what returns the row's AUTO_INCREMENT id, once the next statement that is not deferred, or the commit, has been answered
   */
  deferInsert(sql: string, params?: readonly SqlValue[]): Promise<() => number>;
  /** Sends what is deferred now: its results are needed before there is another statement. */
  sendDeferred(): Promise<void>;
  /**
   * Defers a write until after everything else, right before the commit: for a row that everybody writes, so that it is locked as briefly
   * as possible.
   */
  deferToEnd(sql: string, params?: readonly SqlValue[]): Promise<void>;
}

export interface Database extends Queryable {
  /**
   * Runs `work` in one write transaction. It may be run again from the start when it is the victim of a deadlock: so it must not send
   * messages or change anything outside before it has returned.
   */
  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

export interface Dialect {
  readonly name: 'sqlite' | 'mysql';
  /** SQL for the database's clock as integer milliseconds since the epoch. Leases are judged on it alone. */
  readonly nowMs: string;
  /** End of a SELECT whose rows are to be changed in this transaction. SQLite's write transactions exclude each other anyway. */
  readonly forUpdate: string;
  readonly forUpdateSkipLocked: string;
  /** `INSERT OR IGNORE` / `INSERT IGNORE`: `affected` is 0 when the key exists. */
  readonly insertIgnore: string;
  /** A join whose left table is read first. A small table is no reason to begin with it: the server's figures of tables may be old. */
  readonly joinInOrder: string;
}

export const SQLITE: Dialect = {
  name: 'sqlite',
  nowMs: `CAST(unixepoch('subsec') * 1000 AS INTEGER)`,
  forUpdate: '',
  forUpdateSkipLocked: '',
  insertIgnore: 'INSERT OR IGNORE',
  joinInOrder: 'CROSS JOIN',
};

export const MYSQL: Dialect = {
  name: 'mysql',
  nowMs: 'CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)',
  forUpdate: ' FOR UPDATE',
  forUpdateSkipLocked: ' FOR UPDATE SKIP LOCKED',
  insertIgnore: 'INSERT IGNORE',
  joinInOrder: 'STRAIGHT_JOIN',
};

/** Returns `(?, ?, ?)` for a list of `count` values. */
export function placeholders(count: number): string {
  return `(${Array<string>(count).fill('?').join(', ')})`;
}

/** Returns `(?, ?), (?, ?)` for `rows` rows of `columns` values. */
export function rowPlaceholders(rows: number, columns: number): string {
  return Array<string>(rows).fill(placeholders(columns)).join(', ');
}

/** Splits a list so that no statement gets too long for either dialect. */
export function chunked<T>(items: readonly T[], size = 200): T[][] {
  const chunks: T[][] = [];
  for (let i = 0; i < items.length; i += size) chunks.push(items.slice(i, i + size));
  return chunks;
}

/**
 * Reads the rows of a list of values of any length, in statements that are short enough for either dialect.
 * @param sql returns the statement with the given `(?, ?, …)` in it, which stands there once and holds all its parameters
 */
export async function allIn<T = Row>(
  db: Queryable,
  values: readonly (string | number)[],
  sql: (isOneOf: string) => string,
): Promise<T[]> {
  const rows: T[] = [];
  for (const some of chunked(values)) {
    for (const row of await db.all<T>(sql(placeholders(some.length)), some)) rows.push(row);
  }
  return rows;
}

export async function databaseNowMs(db: Queryable): Promise<number> {
  return (await db.get<{ nowMs: number }>(`SELECT ${db.dialect.nowMs} AS nowMs`))!.nowMs;
}
