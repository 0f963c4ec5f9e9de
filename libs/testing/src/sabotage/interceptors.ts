import type { Interceptor, Row, SqlValue, Statement, Written } from '@millrace/database';

interface ClaimRow {
  readonly requestId: number;
  readonly epoch: number;
}

/** Removes the fence: a claim of this process seems valid for ever, so that an engine which took over does not fence it off. */
export function noFence(): Interceptor {
  const epochs = new Map<SqlValue, SqlValue>();
  return async (statement, send) => {
    const { sql, params } = statement;
    for (const row of insertedInto('claims', statement)) epochs.set(row['request_id']!, row['epoch']!);
    if (/^UPDATE claims SET master_id = \?, master_epoch = \?, epoch = \?/.test(sql))
      epochs.set(params.at(-1)!, params[2]!);
    const answer = await send(sql, params);
    if (!/^SELECT request_id AS requestId, epoch FROM claims WHERE request_id IN/.test(sql)) return answer;
    const valid = (rows: readonly ClaimRow[]): Row[] => {
      const found = new Map(rows.map((row) => [row.requestId, row.epoch]));
      return params.map((requestId) => ({ requestId, epoch: epochs.get(requestId) ?? found.get(requestId as number) }));
    };
    return statement.kind === 'deferAll' ? () => valid((answer as () => ClaimRow[])()) : valid(answer as ClaimRow[]);
  };
}

/**
 * Lets a scheduler that was taken over go on as its owner: every change seems undecided and its cursor unchanged, and no two causes are
 * equal.
 */
export function manyForOneCause(): Interceptor {
  const owned = new Map<SqlValue, SqlValue>();
  return async (statement, send) => {
    const { sql, params } = statement;
    if (/^SELECT epoch FROM ownerships WHERE name = \?/.test(sql) && owned.has(params[0]!))
      return { epoch: owned.get(params[0]!) };
    if (/^UPDATE .?ownerships/.test(sql)) owned.clear();
    if (/ INTO buildsets /.test(sql)) return send(sql, withUniqueCause(statement));
    const answer = await send(sql, params);
    if (/ INTO scheduler_changes /.test(sql)) return { ...(answer as Written), affected: sql.match(/\(\?/g)!.length };
    if (/^UPDATE schedulers SET cursor_seq/.test(sql)) return { ...(answer as Written), affected: 1 };
    if (/^SELECT .* FROM .?ownerships/.test(sql) && Array.isArray(answer))
      for (const row of answer as Row[]) owned.set(ending(row, '_name'), ending(row, '_epoch'));
    return answer;
  };
}

/**
 * Returns the value of a column by the end of its name, because TypeORM puts the table before it. `master_epoch` is another column than
 * `epoch`.
 */
function ending(row: Row, suffix: string): SqlValue {
  const key = Object.keys(row).find((name) => name.endsWith(suffix) && !name.endsWith(`_master${suffix}`));
  return (key === undefined ? null : row[key]) as SqlValue;
}

function withUniqueCause({ sql, params }: Statement): readonly SqlValue[] {
  const at = columnsOf(sql).indexOf('cause');
  return params.map((value, i) => (i === at ? `${String(value)}:${Math.random()}` : value));
}

/** Returns the rows of an INSERT whose values are all parameters. */
function insertedInto(table: string, { sql, params }: Statement): Record<string, SqlValue>[] {
  if (!sql.startsWith(`INSERT INTO ${table} `)) return [];
  const columns = columnsOf(sql);
  return Array.from({ length: params.length / columns.length }, (_, row) =>
    Object.fromEntries(columns.map((column, i) => [column, params[row * columns.length + i]!])),
  );
}

function columnsOf(sql: string): string[] {
  return /\(([^)]*)\)/
    .exec(sql)![1]!
    .split(',')
    .map((column) => column.trim());
}
