import Libsql from 'libsql';
import { OperationalError } from '@millrace/domain';
import type { Row, SqlValue, Written } from './sql.js';

type Connection = InstanceType<typeof Libsql>;
type Statement = ReturnType<Connection['prepare']>;

const CONNECT_TIMEOUT_MS = 10_000;
const BUSY_TIMEOUT_MS = 2;
const GIVE_UP_AFTER_MS = 20_000;
const STATEMENTS_KEPT = 400;

/** A connection with a cache of prepared statements, which evicts the least recently used. */
export class SqliteConnection {
  private readonly statements = new Map<string, Statement>();

  private constructor(readonly raw: Connection) {}

  static open(file: string): SqliteConnection {
    const raw = new Libsql(file, { timeout: CONNECT_TIMEOUT_MS });
    raw.exec('PRAGMA journal_mode = WAL');
    raw.exec('PRAGMA synchronous = NORMAL');
    raw.exec('PRAGMA foreign_keys = ON');
    raw.exec('PRAGMA cache_size = -32000');
    raw.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
    return new SqliteConnection(raw);
  }

  all<T>(sql: string, params: readonly SqlValue[]): T[] {
    return readable<T>(this.statement(sql).all(params.map(bindable)) as Row[]);
  }

  /** @throws Error for a statement that returns rows: it would stay open and keep its snapshot, and the next transaction could not begin */
  run(sql: string, params: readonly SqlValue[]): Written {
    const statement = this.statement(sql);
    if (statement.reader) throw new Error(`a statement that returns rows must be read, not run: ${sql}`);
    const info = statement.run(params.map(bindable));
    return { affected: info.changes, insertId: Number(info.lastInsertRowid) - Math.max(info.changes - 1, 0) };
  }

  /** Whether a statement returns rows, so that `all` is the right method for it. */
  returnsRows(sql: string): boolean {
    return this.statement(sql).reader;
  }

  exec(sql: string): void {
    this.raw.exec(sql);
  }

  get inTransaction(): boolean {
    return this.raw.inTransaction;
  }

  close(): void {
    this.raw.close();
  }

  private statement(sql: string): Statement {
    let statement = this.statements.get(sql);
    if (statement) this.statements.delete(sql);
    else statement = this.raw.prepare(sql);
    this.statements.set(sql, statement);
    if (this.statements.size > STATEMENTS_KEPT) this.statements.delete(this.statements.keys().next().value!);
    return statement;
  }
}

/** Converts blobs: libsql returns them as ArrayBuffer, which it does not accept as a parameter. */
function readable<T>(rows: Row[]): T[] {
  for (const row of rows) {
    for (const key in row) if (row[key] instanceof ArrayBuffer) row[key] = Buffer.from(row[key]);
  }
  return rows as T[];
}

function bindable(value: SqlValue): null | number | string | Buffer {
  return typeof value === 'boolean' ? Number(value) : value;
}

/**
 * Tries again while another process holds the lock. libsql is synchronous, and waiting inside it would block the event loop, so we wait
 * here, with jitter.
 */
export async function patiently<T>(attempt: () => T): Promise<T> {
  const giveUpAt = performance.now() + GIVE_UP_AFTER_MS;
  for (let waitMs = 1; ; waitMs = Math.min(waitMs * 2, 20)) {
    try {
      return attempt();
    } catch (error) {
      if (!isBusy(error) || performance.now() > giveUpAt) throw asOperational(error);
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

/** Converts an error of the database's environment to `OperationalError` `database-unavailable`. Other errors are returned unchanged. */
export function asOperational(error: unknown): unknown {
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
