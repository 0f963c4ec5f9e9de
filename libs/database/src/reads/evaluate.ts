import {
  effectiveLimit,
  type Filter,
  type FilterValue,
  type OrderKey,
  type Page,
  type ResourceQuery,
} from './query.js';

type Item = object;

/** Filters, sorts and pages rows in memory: those of small tables, and sets that an index has made small. */
export function evaluate<T extends Item>(
  rows: readonly T[],
  query: ResourceQuery,
  limits: { default: number; cap: number },
): Page<T> {
  const matching = rows.filter((row) => isMatch(row, query));
  const ordered = sortRows(matching, query.order);
  const limit = effectiveLimit(query, limits);
  const end = query.offset + limit;
  return {
    rows: ordered.slice(query.offset, end),
    limit,
    total: ordered.length,
    more: end < ordered.length ? { cursor: null } : null,
  };
}

/** Whether a row passes all filters of a query. */
export function isMatch(row: Item, query: ResourceQuery): boolean {
  return query.filters.every((filter) => matches(valueOf(row, filter.field), filter));
}

export function sortRows<T extends Item>(rows: readonly T[], order: readonly OrderKey[]): T[] {
  if (order.length === 0) return [...rows];
  return [...rows].sort((a, b) => {
    for (const { field, descending } of order) {
      const difference = compare(valueOf(a, field), valueOf(b, field));
      if (difference !== 0) return descending ? -difference : difference;
    }
    return 0;
  });
}

function valueOf(row: Item, field: string): unknown {
  return (row as Readonly<Record<string, unknown>>)[field];
}

/** Compares two values. Null sorts lowest. */
function compare(a: unknown, b: unknown): number {
  if (a === b) return 0;
  if (a === null || a === undefined) return -1;
  if (b === null || b === undefined) return 1;
  return (a as FilterValue) < (b as FilterValue) ? -1 : 1;
}

function matches(value: unknown, { op, values }: Filter): boolean {
  switch (op) {
    case 'eq':
    case 'in':
      return values.some((wanted) => value === wanted);
    case 'ne':
    case 'notin':
      return values.every((wanted) => value !== wanted);
    case 'contains':
      return values.some((wanted) => contains(value, wanted));
    default:
      // As in Buildbot, a comparison with several values is ignored.
      return values.length > 1 || (value !== null && value !== undefined && compares(compare(value, values[0]), op));
  }
}

function compares(difference: number, op: 'lt' | 'le' | 'gt' | 'ge'): boolean {
  switch (op) {
    case 'lt':
      return difference < 0;
    case 'le':
      return difference <= 0;
    case 'gt':
      return difference > 0;
    case 'ge':
      return difference >= 0;
  }
}

function contains(value: unknown, wanted: FilterValue): boolean {
  if (Array.isArray(value)) return value.includes(wanted);
  return (typeof value === 'string' || typeof value === 'number') && String(value).includes(String(wanted));
}
