import { type Sight, UserError } from '@millrace/domain';

/** Operators of queries of `/api/v2` (`docs/api.md#queries`). */
export type Operator = 'eq' | 'ne' | 'lt' | 'le' | 'gt' | 'ge' | 'contains' | 'in' | 'notin';
export type FilterValue = string | number | boolean;

export interface Filter {
  readonly field: string;
  readonly op: Operator;
  /** At least one. Several are alternatives. */
  readonly values: readonly FilterValue[];
}

export interface OrderKey {
  readonly field: string;
  readonly descending: boolean;
}

export interface ResourceQuery {
  readonly filters: readonly Filter[];
  readonly order: readonly OrderKey[];
  /** Null for the resource's default. */
  readonly limit: number | null;
  readonly offset: number;
  /** End of the page before, from its `meta.next`. */
  readonly cursor: string | null;
  /** Names of the properties to fill in; `*` for all, empty for none. */
  readonly properties: readonly string[];
  /** What is seen of the rows. Missing for all of them. */
  readonly sight?: Sight;
}

export const EVERYTHING: ResourceQuery = {
  filters: [],
  order: [],
  limit: null,
  offset: 0,
  cursor: null,
  properties: [],
};

/**
 * How a field is written in a query and compared. `time` is integer seconds; `json` and `properties` can be neither filtered nor sorted, and a
 * field that is filled in afterwards is `json` for that reason.
 */
export type FieldKind = 'int' | 'time' | 'bool' | 'string' | 'identifier' | 'ints' | 'strings' | 'json' | 'properties';
/** A kind, followed by `?` when the field may be null. */
export type FieldType = FieldKind | `${FieldKind}?`;

export interface ResourceShape {
  readonly plural: string;
  /** The field that identifies a row; empty when there is only one row. */
  readonly id: string;
  readonly fields: Readonly<Record<string, FieldType>>;
}

type KindsOf<V> = [V] extends [never]
  ? 'json'
  : [V] extends [number]
    ? 'int' | 'time' | 'json'
    : [V] extends [boolean]
      ? 'bool'
      : [V] extends [string]
        ? 'string' | 'identifier'
        : [V] extends [readonly number[]]
          ? 'ints'
          : [V] extends [readonly string[]]
            ? 'strings'
            : 'json' | 'properties';
type TypesOf<V> = null extends V ? `${KindsOf<NonNullable<V>>}?` : KindsOf<V>;

/** Returns the shape of a resource: every field of its rows, with its type there. */
export function shapeOf<Row extends object>(shape: {
  readonly plural: string;
  readonly id: keyof Row & string;
  readonly fields: { readonly [F in keyof Row & string]: TypesOf<Row[F]> };
}): ResourceShape {
  return shape;
}

/** Returns the kind of a field, null or not; undefined when there is no such field. */
export function fieldKind(shape: ResourceShape, field: string): FieldKind | undefined {
  const type = Object.hasOwn(shape.fields, field) ? shape.fields[field] : undefined;
  return type?.replace('?', '') as FieldKind | undefined;
}

export interface Page<T> {
  readonly rows: T[];
  /** The applied limit: the default when none was requested, and never more than the cap. */
  readonly limit: number;
  /** Number of matching rows up to the end of this page. */
  readonly total: number;
  /**
   * Null at the end; otherwise the cursor of the next page if the order has one. `toSkip`: matching rows behind the cursor that the offset
   * still covers, when the look ended among those that it skips.
   */
  readonly more: { readonly cursor: string | null; readonly toSkip?: number } | null;
  /** Set when no index answers the query and so rows were looked at one after another. */
  readonly examined?: Examined;
}

export interface Examined {
  /** Number of rows that were looked at. */
  readonly rows: number;
  /** True when there are further rows, which may match. */
  readonly partial: boolean;
}

/** Limits of tables that grow with every build. */
export const HISTORY_LIMIT = { default: 200, cap: 1000 } as const;
/** Limits of tables whose size depends on the configuration, and of rows of one build. */
export const CATALOG_LIMIT = { default: 10_000, cap: 10_000 } as const;
/** Largest offset: rows before it are read and thrown away. Beyond it a cursor continues where a page ended. */
export const MAX_OFFSET = 10_000;

/** Most rows that a query looks at when no index answers it (I7), and for how long. */
export const WALK = { rows: 10_000, forMs: 2000 } as const;

export function effectiveLimit(query: ResourceQuery, limits: { default: number; cap: number }): number {
  return Math.min(query.limit ?? limits.default, limits.cap);
}

/** Returns the error for a query that would have to read history from end to end (I7). */
export function refused(message: string, fields: Readonly<Record<string, unknown>> = {}): UserError {
  return new UserError('query-refused', message, fields);
}

export function withFilter(query: ResourceQuery, field: string, value: FilterValue): ResourceQuery {
  return { ...query, filters: [...query.filters, { field, op: 'eq', values: [value] }] };
}
