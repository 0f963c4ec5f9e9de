import { UserError } from '@millrace/domain';

/** The query grammar of `/api/v2` (`docs/api.md#queries`), parsed and typed. */
export type Operator = 'eq' | 'ne' | 'lt' | 'le' | 'gt' | 'ge' | 'contains' | 'in' | 'notin';
export type FilterValue = string | number | boolean;

export interface Filter {
  readonly field: string;
  readonly op: Operator;
  /** At least one; several are alternatives. */
  readonly values: readonly FilterValue[];
}

export interface OrderKey {
  readonly field: string;
  readonly descending: boolean;
}

export interface ResourceQuery {
  readonly filters: readonly Filter[];
  readonly order: readonly OrderKey[];
  /** Null: the resource's default. */
  readonly limit: number | null;
  readonly offset: number;
  /** Where the page before ended: what `meta.next` said. */
  readonly cursor: string | null;
  /** Names of the properties to fill in; `*` for all, empty for none. */
  readonly properties: readonly string[];
}

export const EVERYTHING: ResourceQuery = {
  filters: [],
  order: [],
  limit: null,
  offset: 0,
  cursor: null,
  properties: [],
};

/** How a field is written in a query and compared: `time` is integer seconds, `json` and `properties` can be neither filtered nor ordered. */
export type FieldKind = 'int' | 'time' | 'bool' | 'string' | 'identifier' | 'ints' | 'strings' | 'json' | 'properties';
/** A kind, with `?` where the field may be null. */
export type FieldType = FieldKind | `${FieldKind}?`;

export interface ResourceShape {
  readonly plural: string;
  /** The field that tells rows apart; empty where there is only one. */
  readonly id: string;
  readonly fields: Readonly<Record<string, FieldType>>;
}

type KindsOf<V> = [V] extends [never]
  ? 'json'
  : [V] extends [number]
    ? 'int' | 'time'
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

/** The shape of a resource: every field of its rows, and of the type that it has there. */
export function shapeOf<Row extends object>(shape: {
  readonly plural: string;
  readonly id: keyof Row & string;
  readonly fields: { readonly [F in keyof Row & string]: TypesOf<Row[F]> };
}): ResourceShape {
  return shape;
}

/** The kind of a field, null or not; undefined: there is no such field. */
export function fieldKind(shape: ResourceShape, field: string): FieldKind | undefined {
  const type = Object.hasOwn(shape.fields, field) ? shape.fields[field] : undefined;
  return type?.replace('?', '') as FieldKind | undefined;
}

export interface Page<T> {
  readonly rows: T[];
  /** The limit that was applied: the default when none was asked for, and never above the cap. */
  readonly limit: number;
  /** Matching rows up to the end of this page. */
  readonly total: number;
  /** Null at the end; otherwise the cursor of the next page where the order has one. */
  readonly more: { readonly cursor: string | null } | null;
}

/** For tables that grow with every build. */
export const HISTORY_LIMIT = { default: 200, cap: 1000 } as const;
/** For tables whose size is the configuration's, and for what belongs to one build. */
export const CATALOG_LIMIT = { default: 10_000, cap: 10_000 } as const;
/** Rows before an offset are read and thrown away; further on, a cursor goes on from where a page ended. */
export const MAX_OFFSET = 10_000;

export function effectiveLimit(query: ResourceQuery, limits: { default: number; cap: number }): number {
  return Math.min(query.limit ?? limits.default, limits.cap);
}

/** The query asks for something that would have to read history from end to end (I7). */
export function refused(message: string, fields: Readonly<Record<string, unknown>> = {}): UserError {
  return new UserError('query-refused', message, fields);
}

export function withFilter(query: ResourceQuery, field: string, value: FilterValue): ResourceQuery {
  return { ...query, filters: [...query.filters, { field, op: 'eq', values: [value] }] };
}
