import { createPool, type Pool, type PoolConnection, type ResultSetHeader } from 'mysql2/promise';
import { OperationalError } from '@millrace/domain';
import {
  type Database,
  MYSQL,
  type Queryable,
  type Row,
  type SqlValue,
  type Transaction,
  type Written,
} from './sql.js';

const TRANSACTION_TRIES = 5;
/** More than this is not kept back: a packet has a maximum (`max_allowed_packet`), by default 16 MB on MariaDB. */
const DEFERRED_CHARACTERS = 1 << 20;

/** MySQL 8 and MariaDB, at READ COMMITTED (REPEATABLE READ's gap locks make concurrent claimers deadlock). */
export class MysqlDatabase implements Database {
  readonly dialect = MYSQL;
  private readonly pool: Pool;
  private readonly direct: MysqlDirect;

  constructor(url: string, connections = 10) {
    this.pool = createPool({
      uri: url,
      connectionLimit: connections,
      timezone: 'Z',
      charset: 'utf8mb4_bin',
      flags: ['FOUND_ROWS'],
      // For `MysqlTransaction`; values never become SQL without being escaped.
      multipleStatements: true,
      enableKeepAlive: true,
    });
    this.pool.pool.on('connection', (connection) => {
      // The server's own mode might cut values off silently, or read a backslash in an escaped value as itself.
      connection.query(
        `SET SESSION sql_mode = 'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'`,
      );
      connection.query(`SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED`);
      // On MariaDB (MySQL cannot): a process that stands still in the middle of a transaction loses it, and its row locks with it.
      connection.query(`SET SESSION innodb_lock_wait_timeout = 20 /*M! , SESSION idle_transaction_timeout = 10 */`);
    });
    this.direct = new MysqlDirect(this.pool);
  }

  all<T = Row>(sql: string, params: readonly SqlValue[] = []): Promise<T[]> {
    return this.direct.all<T>(sql, params);
  }

  get<T = Row>(sql: string, params: readonly SqlValue[] = []): Promise<T | undefined> {
    return this.direct.get<T>(sql, params);
  }

  async run(sql: string, params: readonly SqlValue[] = []): Promise<Written> {
    return retrying(() => this.direct.run(sql, params));
  }

  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    return retrying(async () => {
      const connection = await this.pool.getConnection().catch((error: unknown) => {
        throw asOperational(error);
      });
      let reusable = true;
      try {
        const tx = new MysqlTransaction(connection);
        const result = await work(tx);
        await tx.commit();
        return result;
      } catch (error) {
        // A connection that cannot even roll back is not given to the next one.
        await connection.query('ROLLBACK').catch(() => (reusable = false));
        throw asOperational(error);
      } finally {
        if (reusable) connection.release();
        else connection.destroy();
      }
    });
  }

  async close(): Promise<void> {
    await this.pool.end();
  }
}

/** `query`, not `execute`: the text protocol sends integers as integers, so plans and LIMIT behave the same everywhere. */
abstract class Statements implements Queryable {
  readonly dialect = MYSQL;

  protected abstract query<T>(sql: string, params: readonly SqlValue[]): Promise<T>;

  async all<T = Row>(sql: string, params: readonly SqlValue[] = []): Promise<T[]> {
    return this.query<T[]>(sql, params);
  }

  async get<T = Row>(sql: string, params: readonly SqlValue[] = []): Promise<T | undefined> {
    return (await this.all<T>(sql, params))[0];
  }

  async run(sql: string, params: readonly SqlValue[] = []): Promise<Written> {
    const result = await this.query<ResultSetHeader>(sql, params);
    return { affected: result.affectedRows, insertId: result.insertId };
  }
}

/** Each statement commits itself, on whichever connection is free. */
class MysqlDirect extends Statements {
  constructor(private readonly pool: Pool) {
    super();
  }

  protected async query<T>(sql: string, params: readonly SqlValue[]): Promise<T> {
    try {
      return (await this.pool.query(sql, [...params]))[0] as T;
    } catch (error) {
      throw asOperational(error);
    }
  }
}

/** What is deferred goes with the next statement, as one text: the server stops at the first that fails, the commit included. */
class MysqlTransaction extends Statements implements Transaction {
  readonly inTransaction = true;
  private deferred = ['START TRANSACTION'];
  private characters = 0;

  constructor(private readonly connection: PoolConnection) {
    super();
  }

  async defer(sql: string, params: readonly SqlValue[] = []): Promise<void> {
    const statement = this.connection.format(sql, [...params]);
    if (this.characters + statement.length > DEFERRED_CHARACTERS) return this.send(statement);
    this.deferred.push(statement);
    this.characters += statement.length;
  }

  async commit(): Promise<void> {
    await this.send('COMMIT');
  }

  protected query<T>(sql: string, params: readonly SqlValue[]): Promise<T> {
    return this.send(this.connection.format(sql, [...params]));
  }

  private async send<T>(statement: string): Promise<T> {
    const { deferred } = this;
    this.deferred = [];
    this.characters = 0;
    try {
      const [results] = await this.connection.query([...deferred, statement].join(';\n'));
      return (deferred.length > 0 ? (results as unknown[]).at(-1) : results) as T;
    } catch (error) {
      throw asOperational(error);
    }
  }
}

async function retrying<T>(attempt: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt();
    } catch (error) {
      if (!isRolledBack(error) || tries === TRANSACTION_TRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, 5 * tries * Math.random()));
    }
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

/** A deadlock's victim (also a Galera certification failure at COMMIT) or a lock wait that took too long: safe to run again. */
function isRolledBack(error: unknown): boolean {
  const code = error instanceof OperationalError ? String(error.fields.code) : codeOf(error);
  return code === 'ER_LOCK_DEADLOCK' || code === 'ER_LOCK_WAIT_TIMEOUT';
}

const OUTSIDE =
  /^(ER_LOCK_DEADLOCK|ER_LOCK_WAIT_TIMEOUT|ER_CON_COUNT_ERROR|ER_SERVER_SHUTDOWN|ER_QUERY_INTERRUPTED|ER_ACCESS_DENIED_ERROR|PROTOCOL_|ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_)/;

function asOperational(error: unknown): Error {
  const code = codeOf(error);
  if (!(error instanceof Error)) return new Error(String(error));
  if (error instanceof OperationalError) return error;
  // mysql2 reports a dead connection in words only.
  const closed = /closed state|Connection lost|server closed/i.test(error.message);
  if (!closed && !OUTSIDE.test(code)) return error;
  return new OperationalError('database-unavailable', `database: ${error.message}`, { code }, { cause: error });
}
