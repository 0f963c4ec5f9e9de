import { Repositories } from './repositories.js';
import type { Database, Queryable, SqlValue, Transaction } from './sql.js';

export interface Statement {
  /** The method of `Queryable` or `Transaction` that got the statement. */
  readonly kind: 'all' | 'get' | 'run' | 'defer' | 'deferAll' | 'deferInsert' | 'deferToEnd';
  readonly sql: string;
  readonly params: readonly SqlValue[];
}

/** Passes a statement on, changed or unchanged, and returns what its method does. */
export type Interceptor = (
  statement: Statement,
  send: (sql: string, params: readonly SqlValue[]) => Promise<unknown>,
) => Promise<unknown>;

/** Returns the same database with an interceptor that gets every statement, including those of repositories. */
export function intercepted(db: Database, interceptor: Interceptor): Database {
  const through =
    <T>(kind: Statement['kind'], send: (sql: string, params?: readonly SqlValue[]) => Promise<T>) =>
    (sql: string, params: readonly SqlValue[] = []): Promise<T> =>
      interceptor({ kind, sql, params }, send) as Promise<T>;
  const queryable = (to: Queryable): Queryable => {
    const between: Queryable = {
      dialect: to.dialect,
      all: <T>(sql: string, params?: readonly SqlValue[]) => through('all', to.all.bind(to)<T>)(sql, params),
      get: <T>(sql: string, params?: readonly SqlValue[]) => through('get', to.get.bind(to)<T>)(sql, params),
      run: through('run', to.run.bind(to)),
      repository: async (entity) => {
        const { manager } = await to.repository(entity);
        return new Repositories(manager.dataSource, between, 'inTransaction' in to).of(entity);
      },
    };
    return between;
  };
  const transaction = (tx: Transaction): Transaction => ({
    ...queryable(tx),
    inTransaction: true,
    defer: through('defer', tx.defer.bind(tx)),
    deferAll: <T>(sql: string, params?: readonly SqlValue[]) =>
      through('deferAll', tx.deferAll.bind(tx)<T>)(sql, params),
    deferInsert: through('deferInsert', tx.deferInsert.bind(tx)),
    sendDeferred: () => tx.sendDeferred(),
    deferToEnd: through('deferToEnd', tx.deferToEnd.bind(tx)),
  });
  return {
    ...queryable(db),
    transaction: (work) => db.transaction((tx) => work(transaction(tx))),
    close: () => db.close(),
  };
}
