import { type Sight, UserError } from '@millrace/domain';
import { type Leading, visibleSql } from './belongings.js';
import { type Dialect, placeholders, type SqlValue } from '../sql.js';
import {
  effectiveLimit,
  fieldKind,
  type Filter,
  HISTORY_LIMIT,
  MAX_OFFSET,
  type OrderKey,
  refused,
  type ResourceQuery,
  type ResourceShape,
  WALK,
} from './query.js';

/**
 * Column of a field, with the field's value. `time`: milliseconds for the API's seconds; `negated`: the negative value, which sorts the other
 * way.
 */
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

export interface Statement {
  readonly sql: string;
  readonly params: SqlValue[];
}

/** Where a row is in an order. */
export interface Place {
  readonly cursorValue: number;
  readonly cursorId: number;
}

/** Where a stretch begins and ends; null for the beginning and the end of the order. */
interface Between {
  readonly cursor: string | null;
  readonly edge: Place | null;
}

/** An order in stretches: as many of its rows are looked at as a stretch has, whether or not they are visible. */
export interface Stretches {
  /** Selects the place of the last row of a stretch of so many rows after a cursor; no row where the order ends before. */
  readonly end: (cursor: string | null, rows: number) => Statement;
  /**
   * Returns where a stretch ends that ends with this row. Times are rounded to seconds, away from the beginning, so that no cursor tells
   * when exactly a hidden row ended.
   */
  readonly edge: (last: Place) => Place;
  /** Selects at most so many visible rows of a stretch after skipped ones, as a plan does; of a walk, those that may pass its filters. */
  readonly visible: (between: Between, rows: number, skipped: number) => Statement;
  /** Selects `count`, the number of visible rows of a stretch, which pass the filters of a walk or not; at most so many. */
  readonly count: (between: Between, most: number) => Statement;
}

export type Plan =
  | ({
      readonly kind: 'small';
      /** Selects a row when there are more rows, visible or not, than may be looked at. Null where none is hidden. */
      readonly tooMany: Statement | null;
    } & Statement)
  | ({
      /** Selects one row more than `limit`, with `cursorValue` and `cursorId` beside the requested columns. */
      readonly kind: 'ordered';
      readonly limit: number;
      /** Whether rows may be hidden, so that nobody knows how many have to be looked at for so many visible ones. */
      readonly hides: boolean;
      readonly stretches: Stretches;
    } & Statement);

/** Most rows of a "small" set. A larger one is walked. */
export const SMALL_SET = 5000;
const MAX_COMBINATIONS = 200;
/** Most visible builders that are read by their own indexes. */
const MAX_BUILDERS_APART = 50;
/** No builder has this id. */
const NO_BUILDER = -1;

export type OrderedPlan = Plan & { readonly kind: 'ordered' };

/** A walk along an index for a query that no index answers: its filters, and unless `inOrder` its order, are left to memory. */
export interface Walk {
  /** True when the index returns the rows in the order that was asked for. */
  readonly inOrder: boolean;
  /** True when the database applies each filter exactly, so that it returns no row that does not pass. */
  readonly isNarrow: boolean;
  readonly stretches: Stretches;
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
      const passing = fit.rest.flatMap((filter) => necessary(table, path, filter) ?? []);
      return {
        inOrder: order === query.order,
        isNarrow: passing.length === fit.rest.length && passing.every(({ isExact }) => isExact),
        stretches: orderedPlan(table, select, path, { ...fit, passing }, { ...query, order, offset: 0 }, dialect)
          .stretches,
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
  /** What rows that pass `rest` fulfil. */
  readonly passing: readonly Statement[];
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
  if (path.order === null) return { rest: [], combinations, conditions: [], passing: [], cheap: [], order: null };

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
  return { rest: unanswered, combinations, conditions, passing: [], cheap, order };
}

function isEquality(filter: Filter): boolean {
  return filter.op === 'eq' || filter.op === 'in';
}

function isOnly(filter: Filter, value: boolean): boolean {
  return isEquality(filter) && filter.values.length === 1 && filter.values[0] === value;
}

function isComparison(filter: Filter): boolean {
  return filter.op === 'lt' || filter.op === 'le' || filter.op === 'gt' || filter.op === 'ge';
}

function isRange(filter: Filter): boolean {
  return filter.op === 'eq' || isComparison(filter);
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
  // LEFT, although every key has its row: the narrower table has to come first.
  const keys = fromSql(path.keys?.from ?? table.from, path.index, dialect);
  const from = path.keys
    ? `${keys} LEFT JOIN ${fromSql(table.from, undefined, dialect)} ON ${table.id} = ${path.keys.id}`
    : keys;
  const visible = visibleIn(table, query);
  const seen = visible ? [...where, visible.sql] : where;
  return {
    kind: 'small',
    sql: `SELECT ${select} FROM ${from} WHERE ${seen.join(' AND ')} ORDER BY ${path.keys?.id ?? table.id} LIMIT ${SMALL_SET + 1}`,
    params: [...params, ...(visible?.params ?? [])],
    tooMany: visible && {
      sql: `SELECT 1 AS one FROM ${keys} WHERE ${where.join(' AND ')} LIMIT 1 OFFSET ${WALK.rows}`,
      params,
    },
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
  const { cursor, offset } = query;
  const order = fit.order!;
  const id = path.keys?.id ?? table.id;
  const down = order.descending !== (order.column.as === 'negated');
  const idDown = order.idDescending;
  // What is unique below one value of what is given is not below several.
  const total = order.column.sql === id || (path.unique === true && fit.combinations.length === 1);
  const orderBy = (value: string, idSql: string, isTotal = total): string =>
    isTotal ? `${value} ${direction(down)}` : `${value} ${direction(down)}, ${idSql} ${direction(idDown)}`;
  const place = { column: order.column.sql, id, down, idDown, total };

  const fixed = [...fit.cheap, ...(path.where ? [path.where] : [])].map((sql) => ({ sql, params: [] }));
  const ranges = fit.conditions.map((filter) => conditionOf(order.column, filter));
  const visible = visibleIn(table, query, path);
  const from = fromSql(path.keys?.from ?? table.from, path.index, dialect);
  const isOne = fit.combinations.length === 1 && !path.keys;

  /** Returns WHERE for one combination of what is given. */
  const whereOf = (combination: Fit['combinations'][number], more: readonly Statement[]): Statement => {
    const all = [...combination.map(({ column, value }) => ({ sql: `${column.sql} = ?`, params: [value] })), ...more];
    return {
      sql: all.length > 0 ? ` WHERE ${all.map(({ sql }) => sql).join(' AND ')}` : '',
      params: all.flatMap(({ params }) => params),
    };
  };
  /** Returns the ids and places of a page, for several combinations or a narrower table. */
  const keysOf = (conditions: readonly Statement[], rows: number, skipped: number): Statement => {
    const params: SqlValue[] = [];
    const branches = fit.combinations.map((combination, index) => {
      const where = whereOf(combination, conditions);
      params.push(...where.params, rows + skipped);
      return `SELECT * FROM (SELECT ${id} AS id, ${order.column.sql} AS cursorValue FROM ${from}${where.sql}
       ORDER BY ${orderBy(order.column.sql, id, total || path.unique === true)} LIMIT ?) k${index}`;
    });
    const sql = `SELECT k.id, k.cursorValue FROM (${branches.join(' UNION ALL ')}) k ORDER BY ${orderBy('k.cursorValue', 'k.id')} LIMIT ? OFFSET ?`;
    return { sql, params: [...params, rows, skipped] };
  };
  /** Returns the ids of a page, for one combination. */
  const idsOf = (conditions: readonly Statement[], rows: number): Statement => {
    const where = whereOf(fit.combinations[0]!, conditions);
    const sql = `SELECT ${id} AS id FROM ${from}${where.sql} ORDER BY ${orderBy(order.column.sql, id)} LIMIT ?`;
    return { sql, params: [...where.params, rows] };
  };
  const page = (conditions: readonly Statement[], rows: number, skipped: number): Statement => {
    if (isOne) {
      const where = whereOf(fit.combinations[0]!, conditions);
      const sql = `SELECT ${select}, ${order.column.sql} AS cursorValue, ${id} AS cursorId FROM ${from}${where.sql}
       ORDER BY ${orderBy(order.column.sql, id)} LIMIT ? OFFSET ?`;
      return { sql, params: [...where.params, rows, skipped] };
    }
    // The keys are sorted and cut before their rows are fetched. Otherwise whole rows would be carried through the sort.
    const keys = keysOf(conditions, rows, skipped);
    const sql = `SELECT ${select}, k.cursorValue, k.id AS cursorId FROM (${keys.sql}) k
     JOIN ${fromSql(table.from, undefined, dialect)} WHERE ${table.id} = k.id ORDER BY ${orderBy('k.cursorValue', 'k.id')}`;
    return { sql, params: keys.params };
  };
  const placeOf = (conditions: readonly Statement[], skipped: number): Statement => {
    if (!isOne) {
      const keys = keysOf(conditions, 1, skipped);
      return { sql: `SELECT k.cursorValue, k.id AS cursorId FROM (${keys.sql}) k`, params: keys.params };
    }
    const where = whereOf(fit.combinations[0]!, conditions);
    const sql = `SELECT ${order.column.sql} AS cursorValue, ${id} AS cursorId FROM ${from}${where.sql}
       ORDER BY ${orderBy(order.column.sql, id)} LIMIT 1 OFFSET ?`;
    return { sql, params: [...where.params, skipped] };
  };
  const after = (at: string | null): Statement[] => (at === null ? [] : [afterCursor(place, parseCursor(at))]);
  const within = ({ cursor: at, edge }: Between): Statement[] => [...after(at), ...(edge ? [upTo(place, edge)] : [])];
  const seen = [...fixed, ...(visible ? [visible] : []), ...ranges];
  // A builder that is given is a visible one.
  const hides = visible !== null && !(table.leads?.by === 'builder' && path.given.includes('builderid'));
  return {
    kind: 'ordered',
    ...page([...seen, ...after(cursor)], limit + 1, offset),
    limit,
    hides,
    stretches: {
      end: (at, rows) => placeOf([...fixed, ...ranges, ...after(at)], rows - 1),
      edge: (last) => (hides && order.column.as === 'time' ? wholeSecond(last, down, idDown) : last),
      // What a walk looks for comes first: few rows pass it, and whether a row is visible costs more.
      visible: (between, rows, skipped) => page([...fit.passing, ...seen, ...within(between)], rows, skipped),
      count: (between, most) => {
        const conditions = [...seen, ...within(between)];
        const keys = isOne ? idsOf(conditions, most) : keysOf(conditions, most, 0);
        return { sql: `SELECT COUNT(*) AS count FROM (${keys.sql}) n`, params: keys.params };
      },
    },
  };
}

/** Returns the end of the second of a row, in the direction of an order. */
function wholeSecond({ cursorValue }: Place, down: boolean, idDown: boolean): Place {
  const beginMs = Math.floor(cursorValue / 1000) * 1000;
  return { cursorValue: down ? beginMs : beginMs + 999, cursorId: idDown ? 0 : Number.MAX_SAFE_INTEGER };
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
  if (!sight || !isByBuilder) return [query];
  if (filters.some(isOfBuilders)) return [{ ...query, filters: filters.map((filter) => seenOf(filter, sight)) }];
  const values = sight.builderIds;
  if (values.length === 0 || values.length > MAX_BUILDERS_APART) return [query];
  return [{ ...query, filters: [...filters, { field: 'builderid', op: 'eq', values }] }, query];
}

/** Returns a filter without the builders that are hidden, whose rows are not searched for one that is visible. */
function seenOf(filter: Filter, sight: Sight): Filter {
  if (!isOfBuilders(filter)) return filter;
  const values = filter.values.filter((id) => sight.seesBuilder(id as number));
  return { ...filter, values: values.length > 0 ? values : [NO_BUILDER] };
}

function isOfBuilders(filter: Filter): boolean {
  return filter.field === 'builderid' && isEquality(filter);
}

function direction(down: boolean): string {
  return down ? 'DESC' : 'ASC';
}

const SQL_OPERATORS = { eq: '=', lt: '<', le: '<=', gt: '>', ge: '>=' } as const;
const MIRRORED = { eq: 'eq', lt: 'gt', le: 'ge', gt: 'lt', ge: 'le' } as const;

function conditionOf(column: Column, filter: Filter): Statement {
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

/** A condition that every row fulfils that passes a filter; exact when no other row does. */
interface Necessary extends Statement {
  readonly isExact: boolean;
}

/** Returns what is necessary for a filter; null where no condition is known. */
function necessary(table: HistoryTable, path: AccessPath, filter: Filter): Necessary | null {
  const { field, op, values } = filter;
  const column = path.keys ? path.keys.columns[field] : table.columns[field];
  const kind = fieldKind(table.shape, field);
  if (!column || column.as === 'negated') return null;
  const exactly = (sql: string, params: readonly unknown[] = values): Necessary => ({
    ...{ sql, params: [...params] as SqlValue[] },
    isExact: true,
  });
  const among = `${column.sql} IN ${placeholders(values.length)}`;
  if (kind === 'string' || kind === 'identifier') {
    // MariaDB ignores spaces at the end.
    if (isEquality(filter)) return { ...exactly(among), isExact: false };
    if (op !== 'contains') return null;
    return exactly(`(${values.map(() => `INSTR(${column.sql}, ?) > 0`).join(' OR ')})`);
  }
  if (isComparison(filter) && (kind === 'int' || kind === 'time')) {
    // As in Buildbot, a comparison with several values is ignored.
    if (values.length > 1) return exactly('1 = 1', []);
    const { sql, params } = conditionOf(column, filter);
    return exactly(sql, params);
  }
  if (kind !== 'int' || op === 'contains') return null;
  if (isEquality(filter)) return exactly(among);
  return exactly(`(${column.sql} IS NULL OR ${column.sql} NOT IN ${placeholders(values.length)})`);
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

/** An order: its column, and unless that is a total order the ids, which break ties. */
interface Ordering {
  readonly column: string;
  readonly id: string;
  readonly down: boolean;
  readonly idDown: boolean;
  readonly total: boolean;
}

function afterCursor({ column, id, down, idDown, total }: Ordering, at: { value: number; id: number }): Statement {
  const beyond = down ? '<' : '>';
  if (total) return { sql: `${column} ${beyond} ?`, params: [at.value] };
  // The first term alone bounds the index range. The second only skips rows that share the cursor's value.
  return {
    sql: `${column} ${beyond}= ? AND (${column} ${beyond} ? OR ${id} ${idDown ? '<' : '>'} ?)`,
    params: [at.value, at.value, at.id],
  };
}

/** Returns the condition that a row comes no later than an edge. */
function upTo({ column, id, down, idDown, total }: Ordering, { cursorValue, cursorId }: Place): Statement {
  const before = down ? '>' : '<';
  if (total) return { sql: `${column} ${before}= ?`, params: [cursorValue] };
  return {
    sql: `${column} ${before}= ? AND (${column} ${before} ? OR ${id} ${idDown ? '>' : '<'}= ?)`,
    params: [cursorValue, cursorValue, cursorId],
  };
}
