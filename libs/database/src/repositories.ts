import { UnexpectedError } from '@millrace/domain';
import {
  type DataSource,
  type EntityManager,
  type EntityTarget,
  type ObjectLiteral,
  QueryResult,
  type QueryRunner,
  type Repository,
  type SelectQueryBuilder,
} from 'typeorm';
import type { Queryable, SqlValue } from './sql.js';

/**
 * Repositories whose statements are sent like all others: in the same transaction and after its deferred ones, with the same limits, errors
 * and trace.
 */
export class Repositories {
  private manager: EntityManager | null = null;

  constructor(
    private readonly source: DataSource,
    private readonly to: Queryable,
    private readonly inTransaction: boolean,
  ) {}

  of<T extends ObjectLiteral>(entity: EntityTarget<T>): Repository<T> {
    this.manager ??= this.source.createEntityManager(runner(this.source, this.to, this.inTransaction));
    return this.manager.getRepository(entity);
  }
}

function runner(source: DataSource, to: Queryable, inTransaction: boolean): QueryRunner {
  const refused = async (): Promise<never> => {
    throw new UnexpectedError('transaction-by-typeorm', 'a transaction is begun with Database.transaction', {});
  };
  const query = async (sql: string, params: SqlValue[] = [], isStructured = false): Promise<unknown> => {
    const result = await send(to, sql, params);
    return isStructured ? result : result.raw;
  };
  return Object.assign(source.createQueryRunner(), {
    query,
    // Otherwise TypeORM begins a transaction of its own for anything that may take several statements.
    isTransactionActive: inTransaction,
    startTransaction: refused,
    commitTransaction: refused,
    rollbackTransaction: refused,
  });
}

async function send(to: Queryable, sql: string, params: readonly SqlValue[]): Promise<QueryResult> {
  const result = new QueryResult();
  if (sql.startsWith('SELECT')) {
    result.records = await to.all(sql, params);
    result.raw = result.records;
  } else {
    const { affected, insertId } = await to.run(sql, params);
    result.affected = affected;
    // Each driver finds the ids of new rows in its own way: SQLite's computes them backwards from the last.
    result.raw = to.dialect.name === 'sqlite' ? insertId + Math.max(affected - 1, 0) : { insertId };
  }
  return result;
}

/** Returns the query with its rows locked until the transaction ends, on databases that lock rows (see `Dialect.forUpdate`). */
export function locking<T extends ObjectLiteral>(query: SelectQueryBuilder<T>, to: Queryable): SelectQueryBuilder<T> {
  return to.dialect.forUpdate === '' ? query : query.setLock('pessimistic_write');
}
