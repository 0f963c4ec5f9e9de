import { redactAddresses } from './addresses.js';
import { MillraceError } from './errors.js';
import type { JsonValue } from './properties.js';

/** Names of fields whose values are secrets. */
const SECRET = /passw|ticket|token|secret|authorization|credential|cookie|api[-_]?key/i;
const HIDDEN = '***';
const MAX_TEXT = 4_000;
const MAX_STACK = 8_000;
const MAX_DEPTH = 5;
const MAX_MEMBERS = 100;
/** Most values of one log line, all together. */
const MAX_VALUES = 1_000;
/** Most causes logged with an error. */
const MAX_CAUSES = 3;

/**
 * Returns the fields of a log line in loggable form: plain values, limited in length, count and depth, without secrets. Of an error it
 * keeps only the name, message, code and stack, our own scalar fields, and the causes: drivers attach statements, options and passwords to
 * their errors.
 */
export function loggable(value: unknown): JsonValue {
  return shown(value, 0, { left: MAX_VALUES });
}

/** Returns a text in loggable form: cut, and with secrets hidden. */
export function loggableText(text: string, maxCharacters = MAX_TEXT): string {
  // Cut first, because redacting reads the whole text. An address at the end may lose its `@`, by which its secret would be recognised.
  const cut = text.length > maxCharacters ? `${cutBeforeAddress(text.slice(0, maxCharacters))}…` : text;
  return redactAddresses(cut);
}

interface Budget {
  left: number;
}

function shown(value: unknown, depth: number, budget: Budget): JsonValue {
  if (budget.left-- <= 0) return '…';
  switch (typeof value) {
    case 'string':
      return loggableText(value);
    case 'number':
    case 'boolean':
      return value;
    case 'bigint':
      return String(value);
    case 'object':
      if (value === null) return null;
      break;
    default:
      return null;
  }
  if (value instanceof Error) return error(value, 0);
  if (depth >= MAX_DEPTH) return '…';
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (value instanceof Uint8Array) return `${value.byteLength} bytes`;
  if (Array.isArray(value)) return value.slice(0, MAX_MEMBERS).map((item) => shown(item, depth + 1, budget));
  if (value instanceof Map || value instanceof Set) return `${value.size} entries`;
  return members(value, (member) => shown(member, depth + 1, budget));
}

function members(value: object, show: (member: unknown) => JsonValue): JsonValue {
  const out: [string, JsonValue][] = [];
  for (const name in value) {
    if (!Object.hasOwn(value, name)) continue;
    if (out.length === MAX_MEMBERS) {
      out.push(['…', '…']);
      break;
    }
    const member = (value as Record<string, unknown>)[name];
    if (member === undefined || typeof member === 'function') continue;
    const isHidden = SECRET.test(name) && member !== null && typeof member !== 'boolean' && typeof member !== 'number';
    out.push([loggableText(name, 200), isHidden ? HIDDEN : show(member)]);
  }
  return Object.fromEntries(out);
}

function error(value: Error, causes: number): JsonValue {
  const { code, cause, errors } = value as Error & { code?: unknown; errors?: unknown };
  const deeper = causes < MAX_CAUSES;
  return {
    type: text(value.name) ?? 'Error',
    message: text(value.message) ?? '',
    ...(typeof code === 'string' || typeof code === 'number'
      ? { code: typeof code === 'string' ? text(code)! : code }
      : {}),
    ...(typeof value.stack === 'string' ? { stack: loggableText(value.stack, MAX_STACK) } : {}),
    ...(value instanceof MillraceError ? { fields: members(value.fields, scalar) } : {}),
    ...(deeper && cause instanceof Error ? { cause: error(cause, causes + 1) } : {}),
    // An AggregateError of several attempts to connect has an empty message of its own.
    ...(deeper && Array.isArray(errors)
      ? {
          errors: errors.slice(0, MAX_CAUSES).map((item) => (item instanceof Error ? error(item, MAX_CAUSES) : null)),
        }
      : {}),
  };
}

function text(value: unknown): string | null {
  return typeof value === 'string' ? loggableText(value) : null;
}

function scalar(value: unknown): JsonValue {
  return typeof value === 'object' && value !== null ? '…' : shown(value, 0, { left: 1 });
}

/** Cuts back to the last blank, because what follows it may be half an address. */
function cutBeforeAddress(cut: string): string {
  const at = cut.lastIndexOf('://');
  return at >= 0 && !/[\s"'`<>]/.test(cut.slice(at)) ? cut.slice(0, at) : cut;
}
