import { createHash } from 'node:crypto';
import type { JsonValue } from '@millrace/domain';

/** Converts any user value to plain data: functions and expressions become their source text, `undefined` is left out. */
export function describeValue(value: unknown): JsonValue {
  if (value === null || value === undefined) return null;
  if (typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (typeof value === 'function') return { callback: String(value) };
  if (typeof value === 'bigint' || typeof value === 'symbol') return value.toString();
  if (typeof value !== 'object') return null;
  if (Array.isArray(value)) return value.map(describeValue);
  if (Object.prototype.toString.call(value) === '[object RegExp]') return { regex: (value as RegExp).toString() };
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  return Object.fromEntries(entries.map(([key, item]) => [key, describeValue(item)]));
}

/** Returns JSON with sorted keys: equal data gives equal text. */
export function canonicalJson(value: JsonValue): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((item: JsonValue) => canonicalJson(item)).join(',')}]`;
  const record = value as { readonly [key: string]: JsonValue };
  const parts = Object.keys(record)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonicalJson(record[key]!)}`);
  return `{${parts.join(',')}}`;
}

/** Returns the sha256 of the canonical JSON, hexadecimal. */
export function fingerprintOf(value: JsonValue): string {
  return createHash('sha256').update(canonicalJson(value)).digest('hex');
}
