import { UserError } from '@millrace/domain';
import { type Leading, visibleSql } from './belongings.js';
import { type Dialect, placeholders, type SqlValue } from '../sql.js';
import {
  effectiveLimit,
  type Filter,
  HISTORY_LIMIT,
  MAX_OFFSET,
  type OrderKey,
  refused,
  type ResourceQuery,
  type ResourceShape,
} from './query.js';

/** Column of a field. `time`: milliseconds for the API's seconds; `negated`: the negative value, which sorts the other way. */
export interface Column {
  readonly sql: string;
  readonly as?: 'time' | 'negated';
}

/**
 * One way to read a history table without reading all of it (I7). The `given` fields are fixed with `eq`. Then either there are few rows
 * whatever the history is (`order: null`; other filters and orders are applied in memory), or an index returns them in `order`.
 */
export interface AccessPath {
  readonly given: readonly string[];
  /** Fields that must have exactly this value; `where` is the same condition in SQL. */
  readonly fixed?: Readonly<Record<string, boolean>>;
  readonly where?: string;
  /** Conditions that hold for every row of this path anyway. */
  readonly implied?: Readonly<Record<string, boolean>>;
  readonly order: string | null;
  /** True when no two rows with the same `given` have the same `order`, so that ties need not be broken. */
  readonly unique?: boolean;
  /** Named, not left to the optimizer, whose choice changes with the statistics. Undefined: the primary key. */
  readonly index?: string;
  /** Fields that break ties in the index, beside the id. */
  readonly tieFields?: readonly string[];
  /** A narrower table that returns the ids. Its columns take precedence over the main table's. */
  readonly keys?: { readonly from: Source; readonly id: string; readonly columns: Readonly<Record<string, Column>> };
}

/** A table under an alias, with its joins. */
export interface Source {
  readonly table: string;
  readonly joins?: string;
}

export interface HistoryTable {
  readonly shape: ResourceShape;
  readonly from: Source;
  readonly id: string;
  readonly columns: Readonly<Record<string, Column>>;
  /** Orders for which another field's order is used. */
  readonly orderAliases: Readonly<Record<string, string>>;
  /** Conditions that only a bounded number of rows fail, so that any path may have them. */
  readonly cheap: readonly { readonly field: string; readonly is: boolean; readonly sql: string }[];
  readonly paths: readonly AccessPath[];
  /** How its rows lead to projects; null when they do not, so that only whoever sees everything reads them. */
  readonly leads: Leading | null;
}

export type Plan =
  | { readonly kind: 'small'; readonly sql: string; readonly params: SqlValue[] }
  | {
      readonly kind: 'ordered';
      /** Selects one row more than `limit`, with `cursorValue` and `cursorId` beside the requested columns. */
      readonly sql: string;
      readonly params: SqlValue[];
      readonly limit: number;
    };

/** Most rows of a "small" set. A larger one is walked. */
export const SMALL_SET = 5000;
const MAX_COMBINATIONS = 200;
/** Most visible builders that are read by their own indexes. */
const MAX_BUILDERS_APART = 50;

export type OrderedPlan = Plan & { readonly kind: 'ordered' };

/** A walk along an index for a query that no index answers: its filters, and unless `inOrder` its order, are left to memory. */
export interface Walk {
  /** True when the index returns the rows in the order that was asked for. */
  readonly inOrder: boolean;
  /** Plans the next page; `cursor` is where the page before ended. */
  readonly pageAfter: (cursor: string | null) => OrderedPlan;
}

/**
 * Plans a query; null when no index answers it.
 * @throws UserError `query-refused`, `bad-query`
 */
export function plan(table: HistoryTable, select: string, query: ResourceQuery, dialect: Dialect): Plan | null {
  if (query.offset > MAX_OFFSET) {
    throw refused(`offset ${query.offset} is too far: go on with cursor=… (meta.next) after ${MAX_OFFSET} rows`, {
      offset: query.offset,
    });
  }
  for (const path of table.paths) {
    const fit = fits(table, path, query);
    if (fit && fit.rest.length === 0)
      return fit.order === null
        ? smallPlan(table, select, path, fit, query, dialect)
        : orderedPlan(table, select, path, fit, query, dialect);
  }
  return null;
}

/** Returns the walk that a query needs: in the order that was asked for if possible, otherwise from the newest row on. */
export function walkFor(table: HistoryTable, select: string, query: ResourceQuery, dialect: Dialect): Walk {
  const newestFirst: OrderKey[] = [{ field: table.shape.id, descending: true }];
  for (const order of [query.order, newestFirst]) {
    for (const path of table.paths) {
      const fit = path.order === null ? null : fits(table, path, { ...query, order });
      if (!fit) continue;
      const page = { ...query, order, limit: HISTORY_LIMIT.cap, offset: 0 };
      return {
        inOrder: order === query.order,
        pageAfter: (cursor) => orderedPlan(table, select, path, fit, { ...page, cursor }, dialect),
      };
    }
  }
  throw new Error(`${table.shape.plural} cannot be read by their ids`);
}

interface Fit {
  /** Filters that the path does not answer. */
  readonly rest: readonly Filter[];
  readonly combinations: readonly (readonly { readonly column: Column; readonly value: SqlValue }[])[];
  readonly conditions: readonly Filter[];
  readonly cheap: readonly string[];
  readonly order: { readonly column: Column; readonly descending: boolean; readonly idDescending: boolean } | null;
}

function fits(table: HistoryTable, path: AccessPath, query: ResourceQuery): Fit | null {
  const rest = new Set(query.filters);
  const take = (field: string): Filter | undefined => {
    const filter = query.filters.find((candidate) => candidate.field === field && isEquality(candidate));
    if (filter) rest.delete(filter);
    return filter;
  };
  for (const [field, value] of Object.entries(path.fixed ?? {})) {
    const filter = take(field);
    if (!filter || !isOnly(filter, value)) return null;
  }
  for (const [field, value] of Object.entries(path.implied ?? {})) {
    for (const filter of rest) if (filter.field === field && isOnly(filter, value)) rest.delete(filter);
  }
  let combinations: { column: Column; value: SqlValue }[][] = [[]];
  for (const field of path.given) {
    const filter = take(field);
    if (!filter) return null;
    const column = columnOf(table, path, field);
    combinations = combinations.flatMap((head) => filter.values.map((value) => [...head, { column, value }]));
    if (combinations.length > MAX_COMBINATIONS) return null;
  }
  if (path.order === null) return { rest: [], combinations, conditions: [], cheap: [], order: null };

  const order = fitOrder(table, path, query.order);
  if (!order) return null;
  const cheap: string[] = [];
  const conditions: Filter[] = [];
  const unanswered: Filter[] = [];
  for (const filter of rest) {
    const free = table.cheap.find((candidate) => candidate.field === filter.field && isOnly(filter, candidate.is));
    if (free) cheap.push(free.sql);
    else if (filter.field === path.order && filter.values.length === 1 && isRange(filter)) conditions.push(filter);
    else unanswered.push(filter);
  }
  return { rest: unanswered, combinations, conditions, cheap, order };
}

function isEquality(filter: Filter): boolean {
  return filter.op === 'eq' || filter.op === 'in';
}

function isOnly(filter: Filter, value: boolean): boolean {
  return isEquality(filter) && filter.values.length === 1 && filter.values[0] === value;
}

function isRange(filter: Filter): boolean {
  return filter.op === 'lt' || filter.op === 'le' || filter.op === 'gt' || filter.op === 'ge' || filter.op === 'eq';
}

function fitOrder(table: HistoryTable, path: AccessPath, asked: readonly OrderKey[]): Fit['order'] {
  const idField = table.shape.id;
  const column = columnOf(table, path, path.order!);
  const keys = asked.map((key) => ({ ...key, field: alias(table, path, key.field) }));
  const [first, second] = keys;
  if (!first) return { column, descending: column.as === 'negated', idDescending: false };
  if (first.field !== path.order) return null;
  if (!second || path.order === idField || path.unique) {
    return {
      column,
      descending: first.descending,
      idDescending: second ? second.descending : first.descending !== (column.as === 'negated'),
    };
  }
  const breaksTies = second.field === idField || (path.tieFields ?? []).includes(second.field);
  return breaksTies ? { column, descending: first.descending, idDescending: second.descending } : null;
}

function alias(table: HistoryTable, path: AccessPath, field: string): string {
  return field === path.order ? field : (table.orderAliases[field] ?? field);
}

function columnOf(table: HistoryTable, path: AccessPath, field: string): Column {
  return path.keys?.columns[field] ?? table.columns[field]!;
}

/** Returns the FROM clause with the index that the path names. */
function fromSql(source: Source, index: string | undefined, dialect: Dialect): string {
  const hint =
    index === undefined ? '' : dialect.name === 'sqlite' ? ` INDEXED BY ${index}` : ` FORCE INDEX (${index})`;
  return `${source.table}${hint}${source.joins ? ` ${source.joins}` : ''}`;
}

function smallPlan(
  table: HistoryTable,
  select: string,
  path: AccessPath,
  fit: Fit,
  query: ResourceQuery,
  dialect: Dialect,
): Plan {
  const params: SqlValue[] = [];
  const where: string[] = path.where ? [path.where] : [];
  path.given.forEach((_, index) => {
    const values = [...new Set(fit.combinations.map((combination) => combination[index]!.value))];
    where.push(`${fit.combinations[0]![index]!.column.sql} IN ${placeholders(values.length)}`);
    params.push(...values);
  });
  const visible = visibleIn(table, query);
  if (visible) {
    where.push(visible.sql);
    params.push(...visible.params);
  }
  // LEFT, although every key has its row: the narrower table has to come first.
  const from = path.keys
    ? `${fromSql(path.keys.from, path.index, dialect)} LEFT JOIN ${fromSql(table.from, undefined, dialect)} ON ${table.id} = ${path.keys.id}`
    : fromSql(table.from, path.index, dialect);
  return {
    kind: 'small',
    sql: `SELECT ${select} FROM ${from} WHERE ${where.join(' AND ')} ORDER BY ${path.keys?.id ?? table.id} LIMIT ${SMALL_SET + 1}`,
    params,
  };
}

function orderedPlan(
  table: HistoryTable,
  select: string,
  path: AccessPath,
  fit: Fit,
  query: ResourceQuery,
  dialect: Dialect,
): OrderedPlan {
  const limit = effectiveLimit(query, HISTORY_LIMIT);
  const order = fit.order!;
  const reach = limit + 1 + query.offset;
  const id = path.keys?.id ?? table.id;
  const down = order.descending !== (order.column.as === 'negated');
  // What is unique below one value of what is given is not below several.
  const total = order.column.sql === id || (path.unique === true && fit.combinations.length === 1);
  const orderBy = (value: string, idSql: string, isTotal = total): string =>
    isTotal ? `${value} ${direction(down)}` : `${value} ${direction(down)}, ${idSql} ${direction(order.idDescending)}`;

  const common: string[] = [...fit.cheap, ...(path.where ? [path.where] : [])];
  const commonParams: SqlValue[] = [];
  const visible = visibleIn(table, query, path);
  if (visible) {
    common.push(visible.sql);
    commonParams.push(...visible.params);
  }
  for (const filter of fit.conditions) {
    const condition = conditionOf(order.column, filter);
    common.push(condition.sql);
    commonParams.push(...condition.params);
  }
  if (query.cursor !== null) {
    const after = afterCursor(order.column.sql, id, down, order.idDescending, total, parseCursor(query.cursor));
    common.push(after.sql);
    commonParams.push(...after.params);
  }
  const branch = (combination: Fit['combinations'][number]): { where: string; params: SqlValue[] } => {
    const where = [...combination.map(({ column }) => `${column.sql} = ?`), ...common];
    return {
      where: where.length > 0 ? ` WHERE ${where.join(' AND ')}` : '',
      params: [...combination.map(({ value }) => value), ...commonParams],
    };
  };

  const from = fromSql(path.keys?.from ?? table.from, path.index, dialect);
  if (fit.combinations.length === 1 && !path.keys) {
    const { where, params } = branch(fit.combinations[0]!);
    const sql = `SELECT ${select}, ${order.column.sql} AS cursorValue, ${id} AS cursorId FROM ${from}${where}
       ORDER BY ${orderBy(order.column.sql, id)} LIMIT ? OFFSET ?`;
    return { kind: 'ordered', sql, params: [...params, limit + 1, query.offset], limit };
  }
  const params: SqlValue[] = [];
  const branches = fit.combinations.map((combination, index) => {
    const { where, params: own } = branch(combination);
    params.push(...own, reach);
    return `SELECT * FROM (SELECT ${id} AS id, ${order.column.sql} AS cursorValue FROM ${from}${where}
       ORDER BY ${orderBy(order.column.sql, id, total || path.unique === true)} LIMIT ?) k${index}`;
  });
  // The keys are sorted and cut before their rows are fetched. Otherwise whole rows would be carried through the sort.
  const inOrder = `ORDER BY ${orderBy('k.cursorValue', 'k.id')}`;
  const page = `SELECT k.id, k.cursorValue FROM (${branches.join(' UNION ALL ')}) k ${inOrder} LIMIT ? OFFSET ?`;
  const sql = `SELECT ${select}, k.cursorValue, k.id AS cursorId FROM (${page}) k
     JOIN ${fromSql(table.from, undefined, dialect)} WHERE ${table.id} = k.id ${inOrder}`;
  return { kind: 'ordered', sql, params: [...params, limit + 1, query.offset], limit };
}

/** Returns the condition that rows are visible to whoever asks; null when all are. */
function visibleIn(
  { leads }: HistoryTable,
  { sight }: ResourceQuery,
  path?: AccessPath,
): ReturnType<typeof visibleSql> | null {
  if (!sight) return null;
  if (!leads) throw new Error('rows that lead to no project are read by those only who see everything');
  // A narrower table is read alone, so that it leads to the builder by itself.
  const sql = (leads.by === 'builder' ? path?.keys?.columns['builderid']?.sql : undefined) ?? leads.sql;
  return visibleSql({ ...leads, sql }, sight);
}

/**
 * Returns the queries that answer the same as a query, best first. Where somebody sees few builders, the index of each is better than one of
 * all builders, whose rows are mostly hidden.
 */
export function variantsFor({ leads, columns }: HistoryTable, query: ResourceQuery): readonly ResourceQuery[] {
  const { sight, filters } = query;
  const isByBuilder = leads?.by === 'builder' && 'builderid' in columns;
  if (!sight || !isByBuilder || filters.some(({ field }) => field === 'builderid')) return [query];
  const values = sight.builderIds;
  if (values.length === 0 || values.length > MAX_BUILDERS_APART) return [query];
  return [{ ...query, filters: [...filters, { field: 'builderid', op: 'eq', values }] }, query];
}

function direction(down: boolean): string {
  return down ? 'DESC' : 'ASC';
}

const SQL_OPERATORS = { eq: '=', lt: '<', le: '<=', gt: '>', ge: '>=' } as const;
const MIRRORED = { eq: 'eq', lt: 'gt', le: 'ge', gt: 'lt', ge: 'le' } as const;

function conditionOf(column: Column, filter: Filter): { sql: string; params: SqlValue[] } {
  const op = filter.op as keyof typeof SQL_OPERATORS;
  const value = filter.values[0] as number;
  if (column.as === 'negated') return { sql: `${column.sql} ${SQL_OPERATORS[MIRRORED[op]]} ?`, params: [-value] };
  if (column.as !== 'time') return { sql: `${column.sql} ${SQL_OPERATORS[op]} ?`, params: [value] };
  // A whole second stands for its thousand milliseconds.
  const startMs = value * 1000;
  const endMs = startMs + 1000;
  switch (op) {
    case 'eq':
      return { sql: `${column.sql} >= ? AND ${column.sql} < ?`, params: [startMs, endMs] };
    case 'lt':
      return { sql: `${column.sql} < ?`, params: [startMs] };
    case 'le':
      return { sql: `${column.sql} < ?`, params: [endMs] };
    case 'gt':
      return { sql: `${column.sql} >= ?`, params: [endMs] };
    case 'ge':
      return { sql: `${column.sql} >= ?`, params: [startMs] };
  }
}

export function cursorOf(row: { readonly cursorValue: number; readonly cursorId: number }): string {
  return `${row.cursorValue}.${row.cursorId}`;
}

function parseCursor(cursor: string): { value: number; id: number } {
  const match = /^(-?\d{1,16})\.(\d{1,16})$/.exec(cursor);
  if (!match)
    throw new UserError('bad-query', `invalid cursor '${cursor}': use the one that meta.next gave`, { cursor });
  return { value: Number(match[1]), id: Number(match[2]) };
}

function afterCursor(
  column: string,
  id: string,
  down: boolean,
  idDown: boolean,
  total: boolean,
  at: { value: number; id: number },
): { sql: string; params: SqlValue[] } {
  const beyond = down ? '<' : '>';
  if (total) return { sql: `${column} ${beyond} ?`, params: [at.value] };
  // The first term alone bounds the index range. The second only skips rows that share the cursor's value.
  return {
    sql: `${column} ${beyond}= ? AND (${column} ${beyond} ? OR ${id} ${idDown ? '<' : '>'} ?)`,
    params: [at.value, at.value, at.id],
  };
}
