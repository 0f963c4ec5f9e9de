import { UserError } from './errors.js';

/** Limits of a JSON value from outside. */
export interface JsonLimits {
  /** Deepest nesting of arrays and objects. A scalar has depth 0, `[]` has 1. */
  readonly maxDepth: number;
  /** Most scalars, arrays and objects together, including the names of members. */
  readonly maxValues: number;
  /** Most characters of the text, or of all strings and names of a decoded value together. */
  readonly maxCharacters: number;
}

/** Deeper than anything that people or forges send, and far from what exhausts a stack. */
const DEFAULT_LIMITS: JsonLimits = { maxDepth: 32, maxValues: 20_000, maxCharacters: 1 << 20 };

/**
 * Parses JSON from outside in time linear in its length. Depth and number of values are counted before anything is built, so that neither
 * the parser nor later readers of the value recurse deeper than the limit.
 *
 * @param what names the input in errors, such as `the body`
 * @throws UserError `json-too-long`, `json-too-deep`, `json-too-many-values`, `bad-json`
 */
export function parseJson(text: string, limits: Partial<JsonLimits> = {}, what = 'the JSON text'): unknown {
  const { maxDepth, maxValues, maxCharacters } = { ...DEFAULT_LIMITS, ...limits };
  if (text.length > maxCharacters) throw tooLong(what, maxCharacters);
  let depth = 0;
  let values = 1;
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case 0x22: // A quotation mark. The contents of the string are skipped.
        for (i++; i < text.length && text.charCodeAt(i) !== 0x22; i++) if (text.charCodeAt(i) === 0x5c) i++;
        break;
      case 0x5b: // [
      case 0x7b: // {
        if (++depth > maxDepth) throw tooDeep(what, maxDepth);
        values++;
        break;
      case 0x5d: // ]
      case 0x7d: // }
        depth--;
        break;
      case 0x2c: // ,
      case 0x3a: // :
        values++;
        break;
    }
    if (values > maxValues) throw tooMany(what, maxValues);
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new UserError('bad-json', `${what} is not JSON: ${(cause as Error).message.slice(0, 200)}`, {}, { cause });
  }
}

/**
 * Checks a value that another codec has decoded (MessagePack, PB, a message of the bus). It does not recurse and stops at the first
 * exceeded limit. Binary values count as strings.
 *
 * @throws UserError as `parseJson`, and `bad-json` for a value that JSON does not have (a function, a symbol, a date)
 */
export function checkJsonLimits(value: unknown, limits: Partial<JsonLimits> = {}, what = 'the value'): void {
  const { maxDepth, maxValues, maxCharacters } = { ...DEFAULT_LIMITS, ...limits };
  let level: unknown[] = [value];
  let values = 0;
  let characters = 0;
  // One level at a time: the number of levels is the depth.
  for (let depth = 0; level.length > 0; depth++) {
    const next: unknown[] = [];
    for (const item of level) {
      if (++values > maxValues) throw tooMany(what, maxValues);
      if (typeof item === 'string') characters += item.length;
      else if (item instanceof Uint8Array) characters += item.byteLength;
      else if (Array.isArray(item)) {
        if (values + next.length + item.length > maxValues) throw tooMany(what, maxValues);
        for (const member of item) next.push(member);
        if (depth >= maxDepth) throw tooDeep(what, maxDepth);
      } else if (typeof item === 'object' && item !== null) {
        if (!isPlain(item)) throw new UserError('bad-json', `${what} holds something that is no JSON value`);
        if (depth >= maxDepth) throw tooDeep(what, maxDepth);
        for (const name in item) {
          if (!Object.hasOwn(item, name)) continue;
          characters += name.length;
          if (++values > maxValues) throw tooMany(what, maxValues);
          next.push((item as Record<string, unknown>)[name]);
        }
      } else if (typeof item === 'function' || typeof item === 'symbol') {
        throw new UserError('bad-json', `${what} holds a ${typeof item}, which is no JSON value`);
      }
      if (characters > maxCharacters) throw tooLong(what, maxCharacters);
    }
    level = next;
  }
}

function isPlain(item: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(item);
  return prototype === null || prototype === Object.prototype;
}

function tooLong(what: string, maxCharacters: number): UserError {
  return new UserError('json-too-long', `${what} is longer than ${maxCharacters} characters`, { maxCharacters });
}

function tooDeep(what: string, maxDepth: number): UserError {
  return new UserError('json-too-deep', `${what} is nested more than ${maxDepth} deep`, { maxDepth });
}

function tooMany(what: string, maxValues: number): UserError {
  return new UserError('json-too-many-values', `${what} has more than ${maxValues} values`, { maxValues });
}
