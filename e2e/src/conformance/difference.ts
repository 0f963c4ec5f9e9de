import type { Recording, Sample } from './recording.js';

export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

/** Fields whose members the configuration decides. */
const OPEN = new Set(['properties', 'workerinfo', 'all_fields', 'type_spec']);

/** Returns in what an answer differs from the recorded one; null when a client cannot tell them apart by their form. */
export function differenceOf(sample: Sample, answer: Answer, fields: Recording['fields']): string | null {
  if (answer.status !== sample.status) return `${sample.status} → ${answer.status} ${answer.text.slice(0, 80)}`;
  if (sample.type !== undefined && answer.type !== sample.type) return `${sample.type} → ${answer.type}`;
  if (!sample.keys) return null;
  const body = objectOf(answer.text);
  if (!body) return `not an object: ${answer.text.slice(0, 80)}`;
  const missing = [
    ...sample.keys.filter((key) => !(key in body)),
    ...(sample.meta ?? []).filter((key) => !(key in (body['meta'] as object))).map((key) => `meta.${key}`),
  ];
  if (missing.length > 0) return `without ${missing.join(', ')}`;
  const code = (body['error'] as { code?: number } | undefined)?.code;
  if (sample.rpc !== undefined && code !== sample.rpc) return `error ${sample.rpc} → ${code}`;
  if (sample.result !== undefined && kindOf(body['result']) !== sample.result)
    return `result ${sample.result} → ${kindOf(body['result'])}`;
  for (const [plural, rows] of Object.entries(body)) {
    if (!Array.isArray(rows) || !fields[plural]) continue;
    if (rows.length === 0 && sample.some) return `no ${plural}`;
    const odd = oddFields(rows as object[], fields[plural], sample.fields);
    if (odd.length > 0) return odd.join(', ');
  }
  return null;
}

/** Returns the fields that rows lack, or that have a type which was never recorded. */
function oddFields(
  rows: readonly object[],
  recorded: Readonly<Record<string, string>>,
  selected: readonly string[] | undefined,
): string[] {
  const found = new Map<string, Set<string>>();
  for (const row of rows) collect(found, row, '');
  const odd = Object.entries(recorded).flatMap(([field, kinds]) => {
    const here = found.get(field);
    // A field of an embedded object is missing only where the object is there.
    const isExpected = /[.[]/.test(field) ? false : !selected || selected.includes(field);
    if (!here) return isExpected && rows.length > 0 ? [`without ${field}`] : [];
    const known = kinds.split(' ');
    const others = [...here].filter((kind) => kind !== 'null' && !known.includes(kind));
    return others.length > 0 && known.some((kind) => kind !== 'null')
      ? [`${field}: ${kinds} → ${others.join(' ')}`]
      : [];
  });
  const more = selected ? [...found.keys()].filter((field) => !/[.[]/.test(field) && !selected.includes(field)) : [];
  return [...odd, ...more.map((field) => `with ${field}`)];
}

function collect(found: Map<string, Set<string>>, item: object, prefix: string): void {
  for (const [name, value] of Object.entries(item) as [string, unknown][]) {
    const field = `${prefix}${name}`;
    note(found, field, value);
    if (OPEN.has(name)) continue;
    if (kindOf(value) === 'object') collect(found, value as object, `${field}.`);
    if (!Array.isArray(value)) continue;
    for (const element of value as unknown[]) {
      if (kindOf(element) === 'object') collect(found, element as object, `${field}[].`);
      else note(found, `${field}[]`, element);
    }
  }
}

function note(found: Map<string, Set<string>>, field: string, value: unknown): void {
  const kinds = found.get(field);
  if (kinds) kinds.add(kindOf(value));
  else found.set(field, new Set([kindOf(value)]));
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'list';
  if (typeof value === 'number') return Number.isInteger(value) ? 'int' : 'float';
  return typeof value === 'boolean' ? 'bool' : typeof value;
}

function objectOf(text: string): Record<string, unknown> | null {
  try {
    const value = JSON.parse(text) as unknown;
    return kindOf(value) === 'object' ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
