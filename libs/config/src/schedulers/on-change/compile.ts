import { type ChangeFilter, compilePattern, FILTERED_ATTRIBUTES, messageOf, type ValueMatch } from '@millrace/domain';
import type { CallbackTable } from '../../callback-table.js';
import { type ObjectReader, TIMER_MAX_SECONDS } from '../../object-reader.js';

/** Limit for an expression that runs in a thread of its own. */
const REGEX_TIMEOUT_MS = 2_000;

/** The part that schedulers over changes have beside the common one. */
export interface OnChange {
  readonly filter: ChangeFilter;
  /** How long a branch has to be quiet before it is built; null builds every change at once. */
  readonly treeStableMs: number | null;
  /** Handle of a callback that decides whether a change is worth a build; null when every change is. */
  readonly isImportant: string | null;
  /** Unimportant changes are forgotten instead of being built with the next important one. */
  readonly onlyImportant: boolean;
}

export function compileOnChange(reader: ObjectReader, callbacks: CallbackTable): OnChange {
  const treeStableSeconds = reader.number('treeStableSeconds', { default: null, min: 0, max: TIMER_MAX_SECONDS });
  const filter = compileFilter(reader, callbacks);
  const isImportant = reader.callback('isImportant', 'a callback that gets the change');
  return {
    filter,
    treeStableMs: treeStableSeconds === null ? null : Math.round(treeStableSeconds * 1000),
    isImportant: isImportant ? callbacks.keep(reader.at('isImportant'), reader.raw('isImportant')) : null,
    onlyImportant: reader.boolean('onlyImportant', false),
  };
}

function compileFilter(scheduler: ObjectReader, callbacks: CallbackTable): ChangeFilter {
  if (!scheduler.has('filter')) return {};
  const reader = scheduler.inner('filter');
  const filter: Partial<Record<(typeof FILTERED_ATTRIBUTES)[number], ValueMatch>> = {};
  for (const attribute of FILTERED_ATTRIBUTES) {
    if (!reader.has(attribute)) continue;
    const match = compileMatch(reader, attribute, callbacks);
    if (match) filter[attribute] = match;
    else reader.problem(attribute, 'a string, a list of strings, an expression or a callback');
  }
  reader.done();
  return filter;
}

function compileMatch(reader: ObjectReader, attribute: string, callbacks: CallbackTable): ValueMatch | undefined {
  const value = reader.raw(attribute);
  const isValue = (item: unknown): item is string | null => item === null || typeof item === 'string';
  if (isValue(value)) return { kind: 'values', values: [value] };
  if (Array.isArray(value) && value.every(isValue)) return { kind: 'values', values: value };
  if (value instanceof RegExp) return compileFilterRegex(value, reader, attribute, callbacks);
  if (typeof value === 'function') return { kind: 'callback', handle: callbacks.keep(reader.at(attribute), value) };
  return undefined;
}

/**
 * Compiles a filter's expression. One that takes linear time runs in the master; any other becomes a callback, which may run away in its
 * own thread.
 */
function compileFilterRegex(
  regex: RegExp,
  reader: ObjectReader,
  attribute: string,
  callbacks: CallbackTable,
): ValueMatch {
  const { source, flags } = regex;
  const path = reader.at(attribute);
  try {
    compilePattern(source, flags);
    return { kind: 'regex', source, flags };
  } catch (error) {
    reader.into.note(path, `runs as a callback, which is slower: ${messageOf(error)}`, reader.where);
    const searching = new RegExp(source, flags.replace(/[gy]/g, ''));
    const matches = (value: string | null): boolean => value !== null && searching.test(value);
    return { kind: 'callback', handle: callbacks.keep(path, matches, String(regex)), timeoutMs: REGEX_TIMEOUT_MS };
  }
}
