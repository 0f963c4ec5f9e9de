import type { JsonValue } from './properties.js';

/** A difference between two JSON values, as a line for people. `-` is only before, `+` only after. */
export type DiffLine = `${'-' | '+'} ${string}`;

/**
 * Returns the differences between two JSON values, line by line in the order of their paths. Members of a list that all have names are
 * compared by name: `builders.check.tags[0]`.
 */
export function diffJson(before: JsonValue | undefined, after: JsonValue | undefined, path = ''): DiffLine[] {
  const [old, now] = [membersOf(before), membersOf(after)];
  if (old && now && old.kind === now.kind) {
    const keys = [...new Set([...old.members.keys(), ...now.members.keys()])].sort();
    return keys.flatMap((key) => diffJson(old.members.get(key), now.members.get(key), joined(path, key, old.kind)));
  }
  if (JSON.stringify(before) === JSON.stringify(after)) return [];
  return [...lines('-', path, before), ...lines('+', path, after)];
}

function lines(sign: '-' | '+', path: string, value: JsonValue | undefined): DiffLine[] {
  return value === undefined ? [] : [`${sign} ${path}: ${JSON.stringify(value)}`];
}

interface Members {
  readonly kind: 'names' | 'indices';
  readonly members: ReadonlyMap<string, JsonValue>;
}

function membersOf(value: JsonValue | undefined): Members | null {
  if (typeof value !== 'object' || value === null) return null;
  if (!Array.isArray(value)) return { kind: 'names', members: new Map(Object.entries(value)) };
  const list = value as readonly JsonValue[];
  const names = list.map(nameOf);
  const areNames = names.every((name) => name !== null) && new Set(names).size === names.length;
  return areNames && list.length > 0
    ? { kind: 'names', members: new Map(list.map((item, i) => [names[i]!, item])) }
    : { kind: list.length > 0 ? 'indices' : 'names', members: new Map(list.map((item, i) => [String(i), item])) };
}

function nameOf(item: JsonValue): string | null {
  const name = typeof item === 'object' && item !== null && 'name' in item ? item['name'] : undefined;
  return typeof name === 'string' ? name : null;
}

function joined(path: string, key: string, kind: Members['kind']): string {
  if (kind === 'indices') return `${path}[${key}]`;
  return path === '' ? key : `${path}.${key}`;
}
