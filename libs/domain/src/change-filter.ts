/**
 * What one attribute of a change is compared with. A regular expression is searched for in the value (anchor it to match the
 * whole) and never matches `null`; a callback lives in the configuration and is known here by its handle only.
 */
export type ValueMatch =
  | { readonly kind: 'values'; readonly values: readonly (string | null)[] }
  | { readonly kind: 'regex'; readonly source: string; readonly flags: string }
  | { readonly kind: 'callback'; readonly handle: string };

export const FILTERED_ATTRIBUTES = ['project', 'repository', 'branch', 'category'] as const;
export type FilteredAttribute = (typeof FILTERED_ATTRIBUTES)[number];

/** Every attribute that is named must match. */
export type ChangeFilter = Readonly<Partial<Record<FilteredAttribute, ValueMatch>>>;

/** The part of a change that a filter looks at. */
export type FilteredChange = Readonly<Record<FilteredAttribute, string | null>>;

/**
 * `undecided`: everything that is plain data matches, and the change passes if each of these callbacks, called with its
 * value, says so.
 */
export type FilterDecision =
  | { readonly kind: 'passes' }
  | { readonly kind: 'refused'; readonly by: FilteredAttribute }
  | { readonly kind: 'undecided'; readonly ask: readonly { readonly handle: string; readonly value: string | null }[] };

/** Decides as far as plain data can, so that a callback is asked only about changes that everything else lets pass. */
export function filterChange(filter: ChangeFilter, change: FilteredChange): FilterDecision {
  const ask: { handle: string; value: string | null }[] = [];
  for (const attribute of FILTERED_ATTRIBUTES) {
    const match = filter[attribute];
    if (!match) continue;
    const value = change[attribute];
    if (match.kind === 'callback') ask.push({ handle: match.handle, value });
    else if (!matchesValue(match, value)) return { kind: 'refused', by: attribute };
  }
  return ask.length > 0 ? { kind: 'undecided', ask } : { kind: 'passes' };
}

function matchesValue(match: Exclude<ValueMatch, { kind: 'callback' }>, value: string | null): boolean {
  if (match.kind === 'values') return match.values.includes(value);
  return value !== null && new RegExp(match.source, match.flags.replace(/[gy]/g, '')).test(value);
}
