import {
  EVERYTHING,
  fieldKind,
  type FieldKind,
  type Filter,
  type FilterValue,
  type Operator,
  type OrderKey,
  type ResourceQuery,
  type ResourceShape,
} from '@millrace/database';
import { UserError } from '@millrace/domain';

export interface ParsedQuery {
  readonly query: ResourceQuery;
  /** Fields to keep in each item; null keeps all. */
  readonly fields: readonly string[] | null;
}

const OPERATORS: ReadonlySet<string> = new Set(['eq', 'ne', 'lt', 'le', 'gt', 'ge', 'contains', 'in', 'notin']);
/** Most parameters of a query string. A page of ours sends about ten. */
const MAX_PARAMETERS = 500;
const MAX_ORDER_KEYS = 10;
/** A limit below 0, which asks for all that the resource gives at once. */
const NO_LIMIT = -1;
const NO_FIELDS = { query: EVERYTHING, fields: null };

/**
 * Parses a query (`docs/api.md#queries`). It differs from Buildbot where Buildbot ignores mistakes: an unknown operator, or an unknown
 * field with an operator, is refused instead of returning everything.
 * @throws UserError `bad-query`
 */
export function parseQuery(shape: ResourceShape, params: URLSearchParams, of: 'collection' | 'single'): ParsedQuery {
  if (params.size === 0) return NO_FIELDS;
  if (params.size > MAX_PARAMETERS) throw bad(`${params.size} query parameters: expected at most ${MAX_PARAMETERS}`);
  const fields = params.has('field') ? fieldsOf(shape, params.getAll('field')) : null;
  const order: OrderKey[] = [];
  const filters = new Map<string, { field: string; op: Operator; values: FilterValue[] }>();
  let limit: number | null = null;
  let offset: number | null = null;
  const properties: string[] = [];
  for (const [name, value] of params) {
    switch (name) {
      case 'field':
      case 'cursor':
        break;
      case 'order':
        if (order.length === MAX_ORDER_KEYS) throw bad(`more than ${MAX_ORDER_KEYS} times 'order'`);
        order.push(orderKey(shape, value));
        break;
      case 'limit':
        // Several: the first counts. A negative one stands for none.
        limit ??= /^-\d{1,9}$/.test(value) ? NO_LIMIT : count(name, value);
        break;
      case 'offset':
        offset ??= count(name, value);
        break;
      case 'property':
        properties.push(value);
        break;
      default: {
        const { field, op } = filterName(shape, name);
        const key = `${field}__${op}`;
        const filter = filters.get(key) ?? { field, op, values: [] };
        filter.values.push(filterValue(shape, field, op, value));
        filters.set(key, filter);
      }
    }
  }
  if (of === 'single') {
    if (filters.size > 0) throw bad('this is not a collection');
    return { query: { ...EVERYTHING, properties }, fields };
  }
  if (fields) {
    if (order.some((key) => !fields.includes(key.field))) throw bad('cannot order on un-selected fields');
    if ([...filters.values()].some((filter) => !fields.includes(filter.field)))
      throw bad('cannot filter on un-selected fields');
  }
  return {
    query: {
      filters: [...filters.values()].filter((filter) => !isAnyBoolean(filter)),
      order,
      limit: limit === NO_LIMIT ? null : limit,
      offset: offset ?? 0,
      cursor: params.get('cursor'),
      properties,
    },
    fields,
  };
}

/** Keeps the selected fields, in the order in which resources are written. */
export function selectFields<T extends object>(item: T, fields: readonly string[] | null): object {
  if (!fields) return item;
  return Object.fromEntries(Object.entries(item).filter(([name]) => fields.includes(name)));
}

function fieldsOf(shape: ResourceShape, names: readonly string[]): string[] {
  for (const name of names) kindOf(shape, name);
  return [...new Set(names)];
}

function orderKey(shape: ResourceShape, text: string): OrderKey {
  const descending = text.startsWith('-');
  const field = descending ? text.slice(1) : text;
  const kind = kindOf(shape, field);
  if (kind === 'json' || kind === 'properties') throw bad(`cannot order by '${field}'`, { field });
  return { field, descending };
}

function filterName(shape: ResourceShape, name: string): { field: string; op: Operator } {
  const at = name.lastIndexOf('__');
  const field = at < 0 ? name : name.slice(0, at);
  const op = at < 0 ? 'eq' : name.slice(at + 2);
  if (!Object.hasOwn(shape.fields, field)) throw bad(`unrecognized query parameter '${name}'`, { parameter: name });
  if (!OPERATORS.has(op)) {
    throw bad(`unknown operator '${op}' in '${name}': use one of ${[...OPERATORS].join(', ')}`, { parameter: name });
  }
  return { field, op: op as Operator };
}

function kindOf(shape: ResourceShape, field: string): FieldKind {
  const kind = fieldKind(shape, field);
  if (!kind) throw bad(`no such field '${field}'`, { field });
  return kind;
}

const INTEGER = /^[+-]?\d{1,16}$/;
const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ...['on', 'true', 'yes', '1'].map((word) => [word, true] as const),
  ...['off', 'false', 'no', '0'].map((word) => [word, false] as const),
]);

function filterValue(shape: ResourceShape, field: string, op: Operator, text: string): FilterValue {
  const invalid = (): UserError => bad(`invalid filter value for ${field}: '${text}'`, { field, value: text });
  switch (kindOf(shape, field)) {
    case 'int':
    case 'time':
    case 'ints':
      if (!INTEGER.test(text.trim())) throw invalid();
      return Number(text);
    case 'bool': {
      const value = BOOLEANS.get(text.toLowerCase());
      if (value === undefined) throw invalid();
      return value;
    }
    case 'identifier':
      if (op !== 'contains' && !/^[a-zA-Z_-][a-zA-Z0-9._-]*$/.test(text)) throw invalid();
      return text;
    case 'json':
    case 'properties':
      throw bad(`cannot filter by '${field}'`, { field });
    default:
      return text;
  }
}

function count(name: string, text: string): number {
  if (!/^\+?\d{1,9}$/.test(text))
    throw bad(`invalid ${name}: '${text}' is not a whole number from 0`, { parameter: name });
  return Number(text);
}

/** Whether a filter allows both values: `complete=true&complete=false`. */
function isAnyBoolean(filter: Filter): boolean {
  return filter.op === 'eq' && filter.values.includes(true) && filter.values.includes(false);
}

function bad(message: string, fields: Readonly<Record<string, unknown>> = {}): UserError {
  return new UserError('bad-query', message, fields);
}
