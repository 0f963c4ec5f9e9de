import { compilePattern, type Pattern } from './patterns.js';
import { printable } from './printable.js';

/**
 * The value that one attribute of a change is compared with. A regular expression is searched for in the value (anchor it to match the
 * whole value) and never matches `null`; it must be accepted by `compilePattern`. A callback stays in the configuration and is known here
 * by its handle only.
 */
export type ValueMatch =
  | { readonly kind: 'values'; readonly values: readonly (string | null)[] }
  | { readonly kind: 'regex'; readonly source: string; readonly flags: string }
  | { readonly kind: 'callback'; readonly handle: string; readonly timeoutMs?: number };

export const FILTERED_ATTRIBUTES = ['project', 'repository', 'branch', 'category'] as const;
export type FilteredAttribute = (typeof FILTERED_ATTRIBUTES)[number];

/** Conditions by attribute. Every named attribute must match. */
export type ChangeFilter = Readonly<Partial<Record<FilteredAttribute, ValueMatch>>>;

/** The attributes of a change that a filter compares. */
export type FilteredChange = Readonly<Record<FilteredAttribute, string | null>>;

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
  readonly value: string | null;
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
  for (const attribute of FILTERED_ATTRIBUTES) {
    const match = filter[attribute];
    if (!match) continue;
    const value = change[attribute];
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
  return ask.length > 0 ? { kind: 'undecided', ask } : { kind: 'passes' };
}

/** Compiled patterns by their object in the revision, so that each is compiled once. */
const patterns = new WeakMap<object, Pattern>();

function patternOf(match: Extract<ValueMatch, { kind: 'regex' }>): Pattern {
  let pattern = patterns.get(match);
  if (!pattern) patterns.set(match, (pattern = compilePattern(match.source, match.flags)));
  return pattern;
}

function matchesValue(match: Exclude<ValueMatch, { kind: 'callback' }>, value: string | null): boolean {
  if (match.kind === 'values') return match.values.includes(value);
  return value !== null && patternOf(match).test(value);
}

/** Most values of a filter that a reason names. */
const NAMED_VALUES = 5;

function reasonOf(attribute: FilteredAttribute, value: string | null, miss: string): string {
  return `${attribute} filter: ${quoted(value)} ${miss}`;
}

/** Says how a value misses. Example: ``is not `main` ``. */
function missOf(match: Exclude<ValueMatch, { kind: 'callback' }>): string {
  if (match.kind === 'regex') return `does not match ${printable(`/${match.source}/${match.flags}`, 200)}`;
  const { values } = match;
  if (values.length === 1) return `is not ${quoted(values[0]!)}`;
  const named = values.slice(0, NAMED_VALUES).map(quoted).join(', ');
  return `is none of ${named}${values.length > NAMED_VALUES ? `, … (${values.length})` : ''}`;
}

function quoted(value: string | null): string {
  return value === null ? 'none' : `\`${printable(value, 100)}\``;
}
