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

/** MySQL 8 and MariaDB, at READ COMMITTED (REPEATABLE READ's gap locks make concurrent claimers deadlock). */
export class MysqlDatabase implements Database {
  readonly dialect = MYSQL;
  private readonly pool: Pool;
  private readonly direct: Statements;

  constructor(url: string, connections = 10) {
    this.pool = createPool({
      uri: url,
      connectionLimit: connections,
      timezone: 'Z',
      charset: 'utf8mb4_bin',
      flags: ['FOUND_ROWS'],
      enableKeepAlive: true,
    });
    this.pool.pool.on('connection', (connection) => {
      connection.query(`SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED`);
      // On MariaDB (MySQL cannot): a process that stands still in the middle of a transaction loses it, and its row locks with it.
      connection.query(`SET SESSION innodb_lock_wait_timeout = 20 /*M! , SESSION idle_transaction_timeout = 10 */`);
    });
    this.direct = new Statements(this.pool);
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
        await connection.query('START TRANSACTION');
        const result = await work(new MysqlTransaction(connection));
        await connection.query('COMMIT');
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
class Statements implements Queryable {
  readonly dialect = MYSQL;

  constructor(private readonly connection: Pool | PoolConnection) {}

  async all<T = Row>(sql: string, params: readonly SqlValue[] = []): Promise<T[]> {
    try {
      const [rows] = await this.connection.query(sql, [...params]);
      return rows as T[];
    } catch (error) {
      throw asOperational(error);
    }
  }

  async get<T = Row>(sql: string, params: readonly SqlValue[] = []): Promise<T | undefined> {
    return (await this.all<T>(sql, params))[0];
  }

  async run(sql: string, params: readonly SqlValue[] = []): Promise<Written> {
    try {
      const [result] = await this.connection.query<ResultSetHeader>(sql, [...params]);
      return { affected: result.affectedRows, insertId: result.insertId };
    } catch (error) {
      throw asOperational(error);
    }
  }
}

class MysqlTransaction extends Statements implements Transaction {
  readonly inTransaction = true;
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
