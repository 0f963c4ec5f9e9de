import { type DiffLine, diffJson } from './json-diff.js';
import type { JsonValue } from './properties.js';

/** What is different in one part of two configurations: its builders, its schedulers, its workers and so on. */
export interface RevisionDifference {
  readonly section: string;
  /** Names. */
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly changed: readonly { readonly name: string; readonly lines: readonly DiffLine[] }[];
  /** Differences that belong to nothing with a name. */
  readonly lines: readonly DiffLine[];
}

/** Numbers of what is different, by section. */
export type RevisionCounts = Readonly<
  Record<string, { readonly added: number; readonly removed: number; readonly changed: number }>
>;

/** The section of all that is no list of things with names. */
export const OTHER_SECTION = 'other';

/**
 * Returns what is different in two compiled configurations, by section in the order of their names. A list of things with names is a
 * section; what else there is belongs to the last one.
 */
export function revisionDifferences(before: JsonValue, after: JsonValue): RevisionDifference[] {
  const [old, now] = [membersOf(before), membersOf(after)];
  const keys = [...new Set([...Object.keys(old), ...Object.keys(now)])].sort();
  const other: DiffLine[] = [];
  const sections = keys.flatMap((section): RevisionDifference[] => {
    const [olds, nows] = [namedIn(old[section]), namedIn(now[section])];
    if (!olds || !nows || olds.size + nows.size === 0) {
      other.push(...diffJson(old[section], now[section], section));
      return [];
    }
    const kept = [...nows.keys()].filter((name) => olds.has(name));
    const difference = {
      section,
      added: [...nows.keys()].filter((name) => !olds.has(name)),
      removed: [...olds.keys()].filter((name) => !nows.has(name)),
      changed: kept.flatMap((name) => {
        const lines = diffJson(olds.get(name), nows.get(name));
        return lines.length > 0 ? [{ name, lines }] : [];
      }),
      lines: [],
    };
    return difference.added.length + difference.removed.length + difference.changed.length > 0 ? [difference] : [];
  });
  return other.length === 0
    ? sections
    : [...sections, { section: OTHER_SECTION, added: [], removed: [], changed: [], lines: other }];
}

export function countsOf(differences: readonly RevisionDifference[]): RevisionCounts {
  return Object.fromEntries(
    differences.map(({ section, added, removed, changed, lines }) => [
      section,
      { added: added.length, removed: removed.length, changed: changed.length + lines.length },
    ]),
  );
}

function membersOf(value: JsonValue): Readonly<Record<string, JsonValue>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, JsonValue>>)
    : {};
}

/** Returns the members of a list by their names, none for a missing list; null for anything else. */
function namedIn(value: JsonValue | undefined): ReadonlyMap<string, JsonValue> | null {
  if (value === undefined) return new Map();
  if (!Array.isArray(value)) return null;
  const items = value as readonly JsonValue[];
  const named = new Map<string, JsonValue>();
  for (const item of items) {
    const name = membersOf(item)['name'];
    if (typeof name === 'string') named.set(name, item);
  }
  return named.size === items.length ? named : null;
}
