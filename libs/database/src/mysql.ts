import { createPool, type Pool, type PoolConnection, type ResultSetHeader } from 'mysql2/promise';
import { OperationalError } from '@millrace/domain';
import { asOperational, isRolledBack } from './mysql-errors.js';
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
/** A server that says nothing for so long is given up: after some failovers nobody tells TCP that the other end is gone. */
const ANSWER_WITHIN_MS = 60_000;
const KEEP_ALIVE_AFTER_MS = 10_000;

export interface MysqlOptions {
  readonly connections?: number;
  readonly answerWithinMs?: number;
}

/** The server's own settings might be others, and would cut values off silently or let the clock of the leases jump in autumn. */
const SESSION = [
  `SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED`,
  `SET SESSION sql_mode = 'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION', SESSION time_zone = '+00:00'`,
  // On MariaDB (MySQL cannot): a process that stands still in the middle of a transaction loses it, and its row locks with it.
  `SET SESSION innodb_lock_wait_timeout = 20 /*M! , SESSION idle_transaction_timeout = 10 */`,
];

/** MySQL 8 and MariaDB, at READ COMMITTED (REPEATABLE READ's gap locks make concurrent claimers deadlock). */
export class MysqlDatabase implements Database {
  readonly dialect = MYSQL;
  private readonly pool: Pool;
  private readonly answerWithinMs: number;

  constructor(url: string, { connections = 10, answerWithinMs = ANSWER_WITHIN_MS }: MysqlOptions = {}) {
    this.answerWithinMs = answerWithinMs;
    this.pool = createPool({
      uri: url,
      connectionLimit: connections,
      timezone: 'Z',
      charset: 'utf8mb4_bin',
      flags: ['FOUND_ROWS'],
      // For `MysqlTransaction`; values never become SQL without being escaped.
      multipleStatements: true,
      enableKeepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_AFTER_MS,
    });
    this.pool.pool.on('connection', (connection) => {
      for (const setting of SESSION) connection.query(setting);
    });
  }

  async all<T = Row>(sql: string, params: readonly SqlValue[] = []): Promise<T[]> {
    return this.connected((connection) => new MysqlStatements(connection, this.answerWithinMs).all<T>(sql, params));
  }

  async get<T = Row>(sql: string, params: readonly SqlValue[] = []): Promise<T | undefined> {
    return (await this.all<T>(sql, params))[0];
  }

  run(sql: string, params: readonly SqlValue[] = []): Promise<Written> {
    return retrying(() =>
      this.connected((connection) => new MysqlStatements(connection, this.answerWithinMs).run(sql, params)),
    );
  }

  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    return retrying(() =>
      this.connected(async (connection) => {
        const tx = new MysqlTransaction(connection, this.answerWithinMs);
        try {
          const result = await work(tx);
          await tx.commit();
          return result;
        } catch (error) {
          if (!losesConnection(error)) await tx.rollback();
          throw error;
        }
      }),
    );
  }

  private async connected<T>(use: (connection: PoolConnection) => Promise<T>): Promise<T> {
    let connection: PoolConnection;
    try {
      connection = await this.pool.getConnection();
    } catch (error) {
      throw asOperational(error);
    }
    let reusable = false;
    try {
      const result = await use(connection);
      reusable = true;
      return result;
    } catch (error) {
      reusable = !losesConnection(error);
      throw asOperational(error);
    } finally {
      if (reusable) connection.release();
      else connection.destroy();
    }
  }

  async close(): Promise<void> {
    await this.pool.end();
  }
}

/** `query`, not `execute`: the text protocol sends integers as integers, so plans and LIMIT behave the same everywhere. */
class MysqlStatements implements Queryable {
  readonly dialect = MYSQL;

  constructor(
    protected readonly connection: PoolConnection,
    private readonly answerWithinMs: number,
  ) {}

  all<T = Row>(sql: string, params: readonly SqlValue[] = []): Promise<T[]> {
    return this.send<T[]>(this.format(sql, params));
  }

  async get<T = Row>(sql: string, params: readonly SqlValue[] = []): Promise<T | undefined> {
    return (await this.all<T>(sql, params))[0];
  }

  async run(sql: string, params: readonly SqlValue[] = []): Promise<Written> {
    const result = await this.send<ResultSetHeader>(this.format(sql, params));
    return { affected: result.affectedRows, insertId: result.insertId };
  }

  protected format(sql: string, params: readonly SqlValue[]): string {
    return this.connection.format(sql, [...params]);
  }

  /** @returns rows, or the header of a write; of several statements an array of these */
  protected async send<T>(text: string): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const silence = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        const message = `database: no answer within ${this.answerWithinMs} ms`;
        reject(new OperationalError('database-unavailable', message, { code: 'silent' }));
      }, this.answerWithinMs);
    });
    try {
      return (await Promise.race([this.connection.query(text), silence]))[0] as T;
    } catch (error) {
      throw asOperational(error);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** What is deferred goes with the next statement, as one text: the server stops at the first that fails, the commit included. */
class MysqlTransaction extends MysqlStatements implements Transaction {
  readonly inTransaction = true;
  private deferred = ['START TRANSACTION'];
  private characters = 0;

  async defer(sql: string, params: readonly SqlValue[] = []): Promise<void> {
    const statement = this.format(sql, params);
    if (this.characters + statement.length > DEFERRED_CHARACTERS) return this.send(statement);
    this.deferred.push(statement);
    this.characters += statement.length;
  }

  async commit(): Promise<void> {
    await this.send('COMMIT');
  }

  async rollback(): Promise<void> {
    this.deferred = [];
    await this.send('ROLLBACK');
  }

  protected override async send<T>(statement: string): Promise<T> {
    const { deferred } = this;
    this.deferred = [];
    this.characters = 0;
    if (deferred.length === 0) return super.send<T>(statement);
    return (await super.send<T[]>([...deferred, statement].join(';\n'))).at(-1)!;
  }
}

/** Whether the connection is not to be used again: the server rolls back when it is closed, and somebody else gets a fresh one. */
function losesConnection(error: unknown): boolean {
  return error instanceof OperationalError && !isRolledBack(error);
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
