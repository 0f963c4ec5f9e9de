import { compilePattern, type Pattern } from './patterns.js';
import { printable } from './printable.js';
import type { JsonValue, Properties } from './properties.js';

/**
 * The value that one attribute of a change is compared with. A regular expression is searched for in the value (anchor it to match the
 * whole value) and never matches `null`; it must be accepted by `compilePattern`. A callback stays in the configuration and is known here
 * by its handle only. `negated`: everything else matches, `null` too. `all`: each of these has to match.
 */
export type ValueMatch =
  | { readonly kind: 'values'; readonly values: readonly JsonValue[]; readonly negated?: boolean }
  | { readonly kind: 'regex'; readonly source: string; readonly flags: string; readonly negated?: boolean }
  | { readonly kind: 'callback'; readonly handle: string; readonly timeoutMs?: number }
  | { readonly kind: 'all'; readonly of: readonly Exclude<ValueMatch, { kind: 'all' }>[] };

export const FILTERED_ATTRIBUTES = ['project', 'repository', 'branch', 'category', 'codebase'] as const;
/** An attribute of a change, or one of its properties. */
export type FilteredAttribute = (typeof FILTERED_ATTRIBUTES)[number] | `properties.${string}`;

/** Conditions by attribute. Every named attribute must match. */
export type ChangeFilter = Readonly<Partial<Record<FilteredAttribute, ValueMatch>>>;

/** The attributes of a change that a filter compares. */
export type FilteredChange = Readonly<Record<(typeof FILTERED_ATTRIBUTES)[number], string | null>> & {
  readonly properties: Properties;
};

/**
 * The result of a filter. `undecided`: everything that is plain data matches, and the change passes if each of these callbacks returns true
 * for its value.
 */
export type FilterDecision =
  | { readonly kind: 'passes' }
  /** `reason`: in words, for people who ask why a change has no build. */
  | { readonly kind: 'refused'; readonly by: FilteredAttribute; readonly reason: string }
  | { readonly kind: 'undecided'; readonly ask: readonly Question[] };

export interface Question {
  readonly handle: string;
  readonly value: JsonValue;
  /** Shorter than the usual limit of callbacks: an expression needs little time unless it runs away. */
  readonly timeoutMs?: number;
  /** The reason in words when the callback returns false. */
  readonly refusal: string;
}

/**
 * Decides as far as plain data can, so that callbacks are asked only about changes that pass everything else. Takes time linear in the
 * change, whatever its contents are.
 *
 * @throws UserError `bad-pattern`
 */
export function filterChange(filter: ChangeFilter, change: FilteredChange): FilterDecision {
  const ask: Question[] = [];
  for (const [attribute, condition] of Object.entries(filter) as [FilteredAttribute, ValueMatch][]) {
    const value = valueOf(change, attribute);
    for (const match of condition.kind === 'all' ? condition.of : [condition]) {
      if (match.kind === 'callback')
        ask.push({
          handle: match.handle,
          value,
          ...(match.timeoutMs !== undefined && { timeoutMs: match.timeoutMs }),
          refusal: reasonOf(attribute, value, 'is refused by a callback'),
        });
      else if (!matchesValue(match, value))
        return { kind: 'refused', by: attribute, reason: reasonOf(attribute, value, missOf(match)) };
    }
  }
  return ask.length > 0 ? { kind: 'undecided', ask } : { kind: 'passes' };
}

const PROPERTIES = 'properties.';

function valueOf(change: FilteredChange, attribute: FilteredAttribute): JsonValue {
  if (!attribute.startsWith(PROPERTIES)) return change[attribute as (typeof FILTERED_ATTRIBUTES)[number]];
  const name = attribute.slice(PROPERTIES.length);
  return Object.hasOwn(change.properties, name) ? change.properties[name]![0] : null;
}

type PlainMatch = Extract<ValueMatch, { kind: 'values' | 'regex' }>;

/** Compiled patterns by their object in the revision, so that each is compiled once. */
const patterns = new WeakMap<object, Pattern>();

function patternOf(match: Extract<ValueMatch, { kind: 'regex' }>): Pattern {
  let pattern = patterns.get(match);
  if (!pattern) patterns.set(match, (pattern = compilePattern(match.source, match.flags)));
  return pattern;
}

function matchesValue(match: PlainMatch, value: JsonValue): boolean {
  return matches(match, value) !== (match.negated ?? false);
}

function matches(match: PlainMatch, value: JsonValue): boolean {
  if (match.kind === 'values') return match.values.includes(value);
  // An expression is compared with what people write: numbers and truth values as text, nothing else.
  return value !== null && typeof value !== 'object' && patternOf(match).test(String(value));
}

/** Most values of a filter that a reason names. */
const NAMED_VALUES = 5;

function reasonOf(attribute: FilteredAttribute, value: JsonValue, miss: string): string {
  return `${attribute} filter: ${quoted(value)} ${miss}`;
}

/** Says how a value misses. Example: ``is not `main` ``. */
function missOf(match: PlainMatch): string {
  const { negated = false } = match;
  if (match.kind === 'regex')
    return `${negated ? 'matches' : 'does not match'} ${printable(`/${match.source}/${match.flags}`, 200)}`;
  const { values } = match;
  if (values.length === 1) return negated ? 'is what it must not be' : `is not ${quoted(values[0]!)}`;
  const named = values.slice(0, NAMED_VALUES).map(quoted).join(', ');
  const more = values.length > NAMED_VALUES ? `, … (${values.length})` : '';
  return `is ${negated ? 'one' : 'none'} of ${named}${more}`;
}

function quoted(value: JsonValue): string {
  if (value === null) return 'none';
  return `\`${printable(typeof value === 'string' ? value : JSON.stringify(value), 100)}\``;
}
