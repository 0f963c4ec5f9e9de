import {
  type ChangeFilter,
  compilePattern,
  FILTERED_ATTRIBUTES,
  type FilteredAttribute,
  type JsonValue,
  messageOf,
  type ValueMatch,
} from '@millrace/domain';
import type { Callback, CallbackTable } from '../../callback-table.js';
import { type Codebases, compileCodebases } from '../codebases.js';
import { type ObjectReader, TIMER_MAX_SECONDS } from '../../object-reader.js';

/** Limit for an expression that runs in a thread of its own. */
const REGEX_TIMEOUT_MS = 2_000;

/** How a scheduler weighs changes. */
export interface Weighing {
  readonly filter: ChangeFilter;
  /** Handle of a callback that decides whether a change is worth a build; null when every change is. */
  readonly isImportant: string | null;
  /** Unimportant changes are forgotten instead of being built with the next important one. */
  readonly onlyImportant: boolean;
}

/** The part that schedulers over changes have beside the common one. */
export interface OnChange extends Weighing, Codebases {
  /** How long a branch has to be quiet before it is built; null builds every change at once. */
  readonly treeStableMs: number | null;
}

export function compileOnChange(reader: ObjectReader, callbacks: CallbackTable): OnChange {
  const treeStableSeconds = reader.number('treeStableSeconds', { default: null, min: 0, max: TIMER_MAX_SECONDS });
  return {
    treeStableMs: treeStableSeconds === null ? null : Math.round(treeStableSeconds * 1000),
    ...compileWeighing(reader, callbacks),
    ...compileCodebases(reader),
  };
}

export function compileWeighing(reader: ObjectReader, callbacks: CallbackTable): Weighing {
  const filter = compileFilter(reader, callbacks);
  const isImportant = reader.callback('isImportant', 'a callback that gets the change');
  return {
    filter,
    isImportant: isImportant ? callbacks.keep(reader.at('isImportant'), reader.raw('isImportant')) : null,
    onlyImportant: reader.boolean('onlyImportant', false),
  };
}

export function compileFilter(scheduler: ObjectReader, callbacks: CallbackTable): ChangeFilter {
  if (!scheduler.has('filter')) return {};
  const reader = scheduler.inner('filter');
  const filter: Partial<Record<FilteredAttribute, ValueMatch>> = {};
  const properties = reader.keys().filter((key): key is `properties.${string}` => /^properties\../.test(key));
  for (const attribute of [...FILTERED_ATTRIBUTES, ...properties]) {
    if (!reader.has(attribute)) continue;
    const compiled = compileCondition(reader, attribute, callbacks);
    if (compiled) filter[attribute] = compiled;
  }
  reader.done();
  return filter;
}

type Condition = Exclude<ValueMatch, { kind: 'all' }>;

function compileCondition(reader: ObjectReader, attribute: string, callbacks: CallbackTable): ValueMatch | undefined {
  const value = reader.raw(attribute);
  const isProperty = attribute.startsWith('properties.');
  if (!isConditions(value)) return compileMatch(reader, attribute, { callbacks, isProperty, negated: false });
  const inner = reader.inner(attribute);
  const of = (['is', 'not'] as const).flatMap((key) =>
    inner.has(key) ? (compileMatch(inner, key, { callbacks, isProperty, negated: key === 'not' }) ?? []) : [],
  );
  inner.done();
  if (!inner.has('is') && !inner.has('not')) reader.problem(attribute, '`is`, `not` or both');
  return of.length === 1 ? of[0] : { kind: 'all', of };
}

function isConditions(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof RegExp);
}

function compileMatch(
  reader: ObjectReader,
  key: string,
  { isProperty, ...keeping }: Keeping & { readonly isProperty: boolean },
): Condition | undefined {
  const value = reader.raw(key);
  const types = isProperty ? ['string', 'number', 'boolean'] : ['string'];
  const isValue = (item: unknown): item is string | number | boolean | null =>
    item === null || types.includes(typeof item);
  const values = Array.isArray(value) ? (value as readonly unknown[]) : [value];
  if (values.every(isValue)) return { kind: 'values', values, ...(keeping.negated && { negated: true }) };
  if (value instanceof RegExp) return compileFilterRegex(value, reader, key, keeping);
  if (typeof value === 'function') return keepCallback(value as Callback, reader.at(key), keeping);
  reader.problem(key, 'a string, a list of strings, an expression or a callback');
  return undefined;
}

interface Keeping {
  readonly callbacks: CallbackTable;
  readonly negated: boolean;
}

function keepCallback(
  callback: Callback,
  path: string,
  { callbacks, negated }: Keeping,
  text = String(callback),
): Extract<Condition, { kind: 'callback' }> {
  const kept = negated ? async (value: unknown): Promise<boolean> => !(await callback(value)) : callback;
  return { kind: 'callback', handle: callbacks.keep(path, kept, negated ? `not ${text}` : text) };
}

/**
 * Compiles a filter's expression. One that takes linear time runs in the master; any other becomes a callback, which may run away in its
 * own thread.
 */
function compileFilterRegex(regex: RegExp, reader: ObjectReader, attribute: string, keeping: Keeping): Condition {
  const { source, flags } = regex;
  const path = reader.at(attribute);
  try {
    compilePattern(source, flags);
    return { kind: 'regex', source, flags, ...(keeping.negated && { negated: true }) };
  } catch (error) {
    reader.into.note(path, `runs as a callback, which is slower: ${messageOf(error)}`, reader.where);
    const searching = new RegExp(source, flags.replace(/[gy]/g, ''));
    const matches = (value: JsonValue): boolean =>
      value !== null && typeof value !== 'object' && searching.test(String(value));
    return { ...keepCallback(matches, path, keeping, String(regex)), timeoutMs: REGEX_TIMEOUT_MS };
  }
}
