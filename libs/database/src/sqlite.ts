import Libsql from 'libsql';
import { OperationalError } from '@millrace/domain';
import { type Database, type Row, SQLITE, type SqlValue, type Transaction, type Written } from './sql.js';

type Connection = InstanceType<typeof Libsql>;
type Statement = ReturnType<Connection['prepare']>;

const BUSY_TIMEOUT_MS = 2;
const GIVE_UP_AFTER_MS = 20_000;
const STATEMENTS_KEPT = 400;

/**
 * SQLite through libsql, for several processes on one file (WAL).
 *
 * Writes go through one connection, one transaction at a time, always `BEGIN IMMEDIATE` (a deferred transaction that upgrades its
 * lock fails at once whatever the busy timeout is); reads go through another, so they never see a transaction's middle. libsql is
 * synchronous: waiting for another process's lock inside it would stall the event loop, so the wait is ours, with jitter.
 */
export class SqliteDatabase implements Database {
  readonly dialect = SQLITE;
  private readonly writer: Prepared;
  private readonly reader: Prepared;
  private tail: Promise<unknown> = Promise.resolve();

  constructor(readonly file: string) {
    this.writer = new Prepared(connect(file));
    this.reader = new Prepared(connect(file));
  }

  async all<T = Row>(sql: string, params: readonly SqlValue[] = []): Promise<T[]> {
    return patiently(() => this.reader.all<T>(sql, params));
  }

  async get<T = Row>(sql: string, params: readonly SqlValue[] = []): Promise<T | undefined> {
    return (await this.all<T>(sql, params))[0];
  }

  run(sql: string, params: readonly SqlValue[] = []): Promise<Written> {
    return this.exclusively(() => patiently(() => this.writer.run(sql, params)));
  }

  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    return this.exclusively(async () => {
      await patiently(() => this.writer.exec('BEGIN IMMEDIATE'));
      try {
        const result = await work(new SqliteTransaction(this.writer));
        await patiently(() => this.writer.exec('COMMIT'));
        return result;
      } catch (error) {
        // A full disk may have rolled back already; a second rollback then fails and says nothing new.
        if (this.writer.connection.inTransaction) this.writer.exec('ROLLBACK');
        throw asOperational(error);
      }
    });
  }

  async close(): Promise<void> {
    await this.tail.catch(() => undefined);
    this.writer.connection.close();
    this.reader.connection.close();
  }

  private exclusively<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.tail.then(work, work);
    this.tail = turn.catch(() => undefined);
    return turn;
  }
}

class SqliteTransaction implements Transaction {
  readonly dialect = SQLITE;
  readonly inTransaction = true;

  constructor(private readonly writer: Prepared) {}

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
}

/** A connection with its prepared statements, least recently used first out. */
class Prepared {
  private readonly statements = new Map<string, Statement>();

  constructor(readonly connection: Connection) {}

  all<T>(sql: string, params: readonly SqlValue[]): T[] {
    const rows = this.statement(sql).all(params.map(bindable)) as Row[];
    for (const row of rows) {
      // libsql hands blobs out as ArrayBuffer, which it does not take back.
      for (const key in row) if (row[key] instanceof ArrayBuffer) row[key] = Buffer.from(row[key]);
    }
    return rows as T[];
  }

  run(sql: string, params: readonly SqlValue[]): Written {
    const info = this.statement(sql).run(params.map(bindable));
    return { affected: info.changes, insertId: Number(info.lastInsertRowid) - Math.max(info.changes - 1, 0) };
  }

  exec(sql: string): void {
    this.connection.exec(sql);
  }

  private statement(sql: string): Statement {
    let statement = this.statements.get(sql);
    if (statement) this.statements.delete(sql);
    else statement = this.connection.prepare(sql);
    this.statements.set(sql, statement);
    if (this.statements.size > STATEMENTS_KEPT) this.statements.delete(this.statements.keys().next().value!);
    return statement;
  }
}

function bindable(value: SqlValue): null | number | string | Buffer {
  return typeof value === 'boolean' ? Number(value) : value;
}

function connect(file: string): Connection {
  const connection = new Libsql(file, { timeout: 10_000 });
  connection.exec('PRAGMA journal_mode = WAL');
  connection.exec('PRAGMA synchronous = NORMAL');
  connection.exec('PRAGMA foreign_keys = ON');
  connection.exec('PRAGMA cache_size = -32000');
  connection.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
  return connection;
}

async function patiently<T>(attempt: () => T): Promise<T> {
  const giveUpAt = Date.now() + GIVE_UP_AFTER_MS;
  for (let waitMs = 1; ; waitMs = Math.min(waitMs * 2, 20)) {
    try {
      return attempt();
    } catch (error) {
      if (!isBusy(error) || Date.now() > giveUpAt) throw asOperational(error);
      await new Promise((resolve) => setTimeout(resolve, waitMs * (0.5 + Math.random())));
    }
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

function isBusy(error: unknown): boolean {
  return codeOf(error).startsWith('SQLITE_BUSY') || codeOf(error).startsWith('SQLITE_LOCKED');
}

const OUTSIDE = /^SQLITE_(BUSY|LOCKED|FULL|IOERR|CANTOPEN|READONLY|CORRUPT|NOTADB)/;

function asOperational(error: unknown): unknown {
  const code = codeOf(error);
  if (!OUTSIDE.test(code)) return error;
  const hint = code.startsWith('SQLITE_FULL')
    ? ': the disk is full; free some space, nothing that was accepted is lost'
    : '';
  return new OperationalError(
    'database-unavailable',
    `SQLite: ${(error as Error).message}${hint}`,
    { code },
    { cause: error },
  );
}
