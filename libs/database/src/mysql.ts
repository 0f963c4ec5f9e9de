import type { PoolConnection, ResultSetHeader } from 'mysql2';
import type { EntityTarget, ObjectLiteral, Repository } from 'typeorm';
import { OperationalError, UnexpectedError } from '@millrace/domain';
import type { PoolDataSource, PoolDriver } from './mysql-driver.js';
import { asOperational, isRolledBack } from './mysql-errors.js';
import { Opening } from './opening.js';
import { Repositories } from './repositories.js';
import { type Database, MYSQL, type Row, type SqlValue, type Transaction, type Written } from './sql.js';

const TRANSACTION_TRIES = 5;
/** Most characters of deferred statements: a packet has a maximum (`max_allowed_packet`), by default 16 MB on MariaDB. */
const DEFERRED_CHARACTERS = 1 << 20;
/** Limit for an answer of the server. After some failovers TCP does not notice that the other end is gone. */
const ANSWER_WITHIN_MS = 60_000;

/**
 * MySQL 8 and MariaDB, at READ COMMITTED (REPEATABLE READ's gap locks make concurrent claimers deadlock). Statements go directly to the
 * connections of the DataSource's pool: TypeORM's query runner cannot send several in one packet, and has no limit for an answer.
 */
export class MysqlDatabase implements Database {
  readonly dialect = MYSQL;
  private readonly opening: Opening;
  private readonly driver: PoolDriver;
  private readonly repositories: Repositories;

  constructor(
    private readonly source: PoolDataSource,
    private readonly answerWithinMs = ANSWER_WITHIN_MS,
  ) {
    this.opening = new Opening(source);
    this.driver = source.driver;
    this.repositories = new Repositories(source, this, false);
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

  async repository<T extends ObjectLiteral>(entity: EntityTarget<T>): Promise<Repository<T>> {
    if (!this.opening.isOpen) await this.opening.opened();
    return this.repositories.of(entity);
  }

  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    return retrying(() =>
      this.connected(async (connection) => {
        const tx = new MysqlTransaction(this.source, connection, this.answerWithinMs);
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
      if (!this.opening.isOpen) await this.opening.opened();
      connection = await this.driver.acquire();
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

  close(): Promise<void> {
    return this.opening.close();
  }
}

/**
 * Sends statements by `query`, not `execute`: the text protocol sends integers as integers, so plans and LIMIT behave the same everywhere.
 */
class MysqlStatements {
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

  /**
   * Sends statements.
   * @returns rows, or the header of a write; for several statements an array of these
   */
  protected async send<T>(text: string): Promise<T> {
    try {
      return await this.answerTo<T>(text);
    } catch (error) {
      const failure = asOperational(error);
      // The driver's stack begins at its socket. Here is who waits for the statement.
      if (failure === error) Error.captureStackTrace(failure);
      throw failure;
    }
  }

  /** Sends statements. The driver's own promises cost a stack trace for each, so they are not used. */
  private answerTo<T>(text: string): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const timer = setTimeout(() => {
        const message = `database: no answer within ${this.answerWithinMs} ms`;
        reject(new OperationalError('database-unavailable', message, { code: 'silent' }));
      }, this.answerWithinMs);
      this.connection.query(text, (error, answer) => {
        clearTimeout(timer);
        if (error) reject(error);
        else resolve(answer as T);
      });
    });
  }
}

/**
 * A transaction. Deferred statements are sent with the next one, as one text: the server stops at the first that fails, so that a later
 * commit is not executed.
 */
class MysqlTransaction extends MysqlStatements implements Transaction {
  readonly inTransaction = true;
  private deferred: Deferred[] = [{ text: 'START TRANSACTION', answered: null }];
  private characters = 0;
  private readonly atEnd: string[] = [];
  private readonly repositories: Repositories;
  private readonly takesCompounds: boolean;

  constructor(source: PoolDataSource, connection: PoolConnection, answerWithinMs: number) {
    super(connection, answerWithinMs);
    this.takesCompounds = source.driver.takesCompounds;
    this.repositories = new Repositories(source, this, true);
  }

  async repository<T extends ObjectLiteral>(entity: EntityTarget<T>): Promise<Repository<T>> {
    return this.repositories.of(entity);
  }

  async defer(sql: string, params: readonly SqlValue[] = []): Promise<void> {
    const statement = this.format(sql, params);
    if (this.characters + statement.length > DEFERRED_CHARACTERS) return this.send(statement);
    this.postpone(statement, null);
  }

  async deferAll<T = Row>(sql: string, params: readonly SqlValue[] = []): Promise<() => T[]> {
    return this.answerLater<T[]>(this.format(sql, params));
  }

  async deferInsert(sql: string, params: readonly SqlValue[] = []): Promise<() => number> {
    const answer = this.answerLater<ResultSetHeader>(this.format(sql, params));
    return () => answer().insertId;
  }

  async sendDeferred(): Promise<void> {
    const { deferred } = this;
    this.deferred = [];
    this.characters = 0;
    if (deferred.length === 0) return;
    const sent = this.takesCompounds ? compounded(deferred) : deferred;
    const answer = await super.send<unknown>(sent.map(({ text }) => text).join(';\n'));
    const answers = sent.length === 1 ? [answer] : (answer as unknown[]);
    sent.forEach(({ answered }, i) => answered?.(answers[i]));
  }

  /** Postpones a statement. Returns what returns its answer, once it was sent. */
  private answerLater<T>(text: string): () => T {
    let answer: T | null = null;
    this.postpone(text, (its) => (answer = its as T));
    return () => {
      if (answer === null)
        throw new UnexpectedError('not-sent', 'the answer to a deferred statement is wanted before it was sent');
      return answer;
    };
  }

  private postpone(text: string, answered: Deferred['answered']): void {
    this.deferred.push({ text, answered });
    this.characters += text.length;
  }

  async deferToEnd(sql: string, params: readonly SqlValue[] = []): Promise<void> {
    this.atEnd.push(this.format(sql, params));
  }

  async commit(): Promise<void> {
    for (const text of [...this.atEnd, 'COMMIT']) this.postpone(text, null);
    await this.sendDeferred();
  }

  async rollback(): Promise<void> {
    this.deferred = [];
    await this.send('ROLLBACK');
  }

  protected override async send<T>(statement: string): Promise<T> {
    if (this.deferred.length === 0) return super.send<T>(statement);
    let answer: unknown;
    this.postpone(statement, (its) => (answer = its));
    await this.sendDeferred();
    return answer as T;
  }
}

/** A statement that is sent with the next one. `answered` is null when nobody needs its answer. */
interface Deferred {
  readonly text: string;
  readonly answered: ((answer: unknown) => void) | null;
}

/**
 * Joins neighbouring statements whose answers nobody needs into one. A server sends the answer to each statement by itself, and each wakes
 * us: that costs both sides about as much as the statement. It stops at the first that fails here, too.
 */
function compounded(statements: readonly Deferred[]): Deferred[] {
  const sent: Deferred[] = [];
  let texts: string[] = [];
  const join = (): void => {
    if (texts.length === 1) sent.push({ text: texts[0]!, answered: null });
    if (texts.length > 1) sent.push({ text: `BEGIN NOT ATOMIC\n${texts.join(';\n')};\nEND`, answered: null });
    texts = [];
  };
  for (const statement of statements) {
    if (statement.answered === null) texts.push(statement.text);
    else {
      join();
      sent.push(statement);
    }
  }
  join();
  return sent;
}

/** Whether the connection must not be used again. The server rolls back when it is closed, and the next user gets a fresh one. */
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
