import { redactAddresses } from './addresses.js';
import { MillraceError } from './errors.js';
import type { JsonValue } from './properties.js';

/** Names of fields whose value opens something. */
const SECRET = /passw|ticket|token|secret|authorization|credential|cookie|api[-_]?key/i;
const HIDDEN = '***';
const MAX_TEXT = 4_000;
const MAX_STACK = 8_000;
const MAX_DEPTH = 5;
const MAX_MEMBERS = 100;
/** Of one line, all together. */
const MAX_VALUES = 1_000;
/** How many errors an error may drag along. */
const MAX_CAUSES = 3;

/**
 * What a log may hold of the fields of a line: plain values, cut in length, count and depth, without what opens something. Of an error
 * only its name, message, code and stack, the scalar fields of ours, and its causes: drivers hang statements, options and passwords on
 * theirs.
 */
export function loggable(value: unknown): JsonValue {
  return shown(value, 0, { left: MAX_VALUES });
}

/** The same for a text. */
export function loggableText(text: string, maxCharacters = MAX_TEXT): string {
  // Cut first: redacting reads all of it. What is cut through loses its end, and an address with it the `@` that it is known by.
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
    // Of several attempts to connect, whose own message is empty.
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

/** Whatever stands after the last blank may be half an address. */
function cutBeforeAddress(cut: string): string {
  const at = cut.lastIndexOf('://');
  return at >= 0 && !/[\s"'`<>]/.test(cut.slice(at)) ? cut.slice(0, at) : cut;
}
