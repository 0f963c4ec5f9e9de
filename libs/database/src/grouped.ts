import type { Database, Queryable, Row, SqlValue, Transaction, Written } from './sql.js';

/** Enough to share a commit's cost, and short enough not to keep the rows of the first ones locked for long. */
const MOST = 100;

interface Waiting {
  readonly work: (tx: Transaction) => Promise<void>;
  readonly reject: (error: unknown) => void;
  /** To be told after the commit. */
  succeed: () => void;
}

/**
 * A database whose writes, transactions and single statements, share transactions: while one is under way the next ones gather, in
 * order; when idle each begins at once. For many small writes of the same kind that come in bursts.
 *
 * A write that fails takes nobody along: its group is rolled back and every member of it runs again alone. (A transaction's work
 * may run more than once anyway.)
 */
export class GroupedWrites implements Database {
  private queue: Waiting[] = [];
  private isFlushing = false;

  constructor(private readonly db: Database) {}

  get dialect(): Queryable['dialect'] {
    return this.db.dialect;
  }

  all<T = Row>(sql: string, params?: readonly SqlValue[]): Promise<T[]> {
    return this.db.all<T>(sql, params);
  }

  get<T = Row>(sql: string, params?: readonly SqlValue[]): Promise<T | undefined> {
    return this.db.get<T>(sql, params);
  }

  run(sql: string, params?: readonly SqlValue[]): Promise<Written> {
    return this.transaction((tx) => tx.run(sql, params));
  }

  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        work: async (tx) => {
          const result = await work(tx);
          waiting.succeed = () => resolve(result);
        },
        reject,
        succeed: () => undefined,
      };
      this.queue.push(waiting);
      void this.flush();
    });
  }

  /** The database itself is closed by whoever opened it. */
  async close(): Promise<void> {}

  private async flush(): Promise<void> {
    if (this.isFlushing) return;
    this.isFlushing = true;
    while (this.queue.length > 0) await this.commit(this.queue.splice(0, MOST));
    this.isFlushing = false;
  }

  private async commit(group: readonly Waiting[]): Promise<void> {
    try {
      await this.db.transaction(async (tx) => {
        for (const { work } of group) await work(tx);
      });
      for (const { succeed } of group) succeed();
    } catch (error) {
      if (group.length === 1) group[0]!.reject(error);
      else for (const one of group) await this.commit([one]);
    }
  }
}
