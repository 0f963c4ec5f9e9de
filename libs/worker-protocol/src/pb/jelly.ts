import { ProtocolError } from '../protocol-error.js';
import { type Banana, DEFAULT_BANANA_LIMITS, Float, latin1, utf8 } from './banana.js';

/** A Python tuple. Python lists are arrays. */
export class Tuple {
  constructor(readonly items: readonly Jelly[]) {}
}

/**
 * A reference to a numbered object on one side of the connection: `remote` is the sender's own object, `local` one that the receiver
 * exposed before.
 */
export class Reference {
  constructor(
    readonly owner: 'remote' | 'local',
    readonly luid: number,
  ) {}
}

/** An instance of a Python class by its dotted name (for example a failure), or a set, date or decimal. `parts` is not decoded. */
export class Tagged {
  constructor(
    readonly tag: string,
    readonly parts: readonly Banana[],
  ) {}
}

/** A Python value as PB carries it. Strings are text, byte strings are bytes, dictionaries keep their order. */
export type Jelly =
  | null
  | boolean
  | number
  | bigint
  | Float
  | string
  | Uint8Array
  | readonly Jelly[]
  | Tuple
  | JellyMap
  | Reference
  | Tagged;

export type JellyMap = ReadonlyMap<Jelly, Jelly>;

const TAGS_LEFT_ALONE = new Set(['set', 'frozenset', 'datetime', 'date', 'time', 'timedelta', 'decimal']);

const bytesOf = (text: string): Buffer => Buffer.from(text, 'utf8');
const NONE = bytesOf('None');
const BOOLEAN = bytesOf('boolean');
const UNICODE = bytesOf('unicode');
const TUPLE = bytesOf('tuple');
const LIST = bytesOf('list');
const DICTIONARY = bytesOf('dictionary');

interface Shared {
  /** Numbered objects, each with its part of `size`. */
  readonly objects: Map<number, { readonly value: Jelly; readonly size: number }>;
  /** Elements and bytes of strings, counted as if every shared object were written out at each occurrence. */
  size: number;
}

/**
 * Decodes jelly. An object that occurs twice becomes the same object twice.
 * @throws ProtocolError for malformed jelly, for an object within itself, and for a value that would exceed the message limit if every
 *   shared object were written out: code that walks through it does not notice sharing
 */
export function decodeJelly(form: Banana): Jelly {
  return decode(form, { objects: new Map(), size: 0 });
}

function decode(form: Banana, shared: Shared): Jelly {
  shared.size += 1;
  if (!Array.isArray(form)) {
    if (form instanceof Uint8Array) shared.size += form.length;
    return form;
  }
  const [head, first, second] = form as readonly Banana[];
  if (!(head instanceof Uint8Array)) throw new ProtocolError('a jelly form does not begin with its type');
  const tag = latin1(head);
  const rest = (): Jelly[] => (form as readonly Banana[]).slice(1).map((item) => decode(item, shared));
  switch (tag) {
    case 'None':
      return null;
    case 'boolean':
      return decodeBoolean(first);
    case 'unicode':
      if (!(first instanceof Uint8Array)) throw new ProtocolError("'unicode' without a string");
      shared.size += first.length;
      return utf8(first);
    case 'list':
      return rest();
    case 'tuple':
      return new Tuple(rest());
    case 'dictionary':
      return new Map((form as readonly Banana[]).slice(1).map((pair) => decodePair(pair, shared)));
    case 'remote':
    case 'local':
      return new Reference(tag, luidOf(first));
    case 'reference': {
      const before = shared.size;
      const value = decode(second ?? [], shared);
      shared.objects.set(luidOf(first), { value, size: shared.size - before });
      return value;
    }
    case 'dereference': {
      const object = shared.objects.get(luidOf(first));
      if (object === undefined) throw new ProtocolError('there is no object of that number to refer to');
      shared.size += object.size;
      if (shared.size > DEFAULT_BANANA_LIMITS.maxMessageBytes) {
        throw new ProtocolError('a message refers to its own parts too often', { size: shared.size });
      }
      return object.value;
    }
    default:
      if (!tag.includes('.') && !TAGS_LEFT_ALONE.has(tag)) {
        throw new ProtocolError(`there is no jelly type '${tag.slice(0, 100)}'`);
      }
      return new Tagged(tag, (form as readonly Banana[]).slice(1));
  }
}

function decodeBoolean(value: Banana | undefined): boolean {
  const text = value instanceof Uint8Array ? latin1(value) : '';
  if (text !== 'true' && text !== 'false') throw new ProtocolError("'boolean' is neither true nor false");
  return text === 'true';
}

function decodePair(pair: Banana, shared: Shared): [Jelly, Jelly] {
  const [key, value, ...more] = Array.isArray(pair) ? (pair as readonly Banana[]) : [];
  if (key === undefined || value === undefined || more.length > 0) {
    throw new ProtocolError('a dictionary has an entry that is no pair');
  }
  return [decode(key, shared), decode(value, shared)];
}

function luidOf(value: Banana | undefined): number {
  if (typeof value === 'number' && value >= 0) return value;
  throw new ProtocolError('an object number is not a number');
}

/** Encodes jelly. A shared object is written out at every occurrence. */
export function encodeJelly(value: Jelly): Banana {
  if (value === null) return [NONE];
  if (typeof value === 'boolean') return [BOOLEAN, bytesOf(String(value))];
  if (typeof value === 'string') return [UNICODE, bytesOf(value)];
  if (typeof value === 'number' || typeof value === 'bigint') return value;
  if (value instanceof Float || value instanceof Uint8Array) return value;
  if (value instanceof Tuple) return [TUPLE, ...value.items.map(encodeJelly)];
  if (value instanceof Reference) return [bytesOf(value.owner), value.luid];
  if (value instanceof Tagged) return [bytesOf(value.tag), ...value.parts];
  if (value instanceof Map) {
    return [DICTIONARY, ...[...(value as JellyMap)].map(([key, item]) => [encodeJelly(key), encodeJelly(item)])];
  }
  return [LIST, ...(value as readonly Jelly[]).map(encodeJelly)];
}

/** Converts plain data to jelly. Numbers with a fraction become floats; undefined values are left out. */
export function jellyOf(value: unknown): Jelly {
  if (value === null || value === undefined) return null;
  if (typeof value === 'number') return Number.isSafeInteger(value) ? value : new Float(value);
  if (typeof value === 'boolean' || typeof value === 'string' || typeof value === 'bigint') return value;
  if (value instanceof Uint8Array || value instanceof Reference || value instanceof Tuple) return value;
  if (Array.isArray(value)) return value.map(jellyOf);
  if (typeof value === 'object') {
    const entries = Object.entries(value).filter(([, item]) => item !== undefined);
    return new Map(entries.map(([key, item]) => [key, jellyOf(item)]));
  }
  throw new TypeError(`a worker cannot be sent a ${typeof value}`);
}

/** Converts jelly to plain data: tuples become arrays, dictionaries objects with text keys, floats numbers. Shared objects stay shared. */
export function plainOf(value: Jelly, done = new Map<Jelly, unknown>()): unknown {
  if (value instanceof Float) return value.value;
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  if (done.has(value)) return done.get(value);
  const items = itemsOf(value);
  let plain: unknown = value;
  if (items !== undefined) plain = items.map((item) => plainOf(item, done));
  else if (value instanceof Map) {
    const entries = [...(value as JellyMap)].map(([key, item]) => [textOf(key) ?? '', plainOf(item, done)] as const);
    plain = Object.fromEntries(entries);
  }
  done.set(value, plain);
  return plain;
}

/** Returns text, or bytes decoded as UTF-8; undefined for other values. */
export function textOf(value: Jelly | undefined): string | undefined {
  if (typeof value === 'string') return value;
  return value instanceof Uint8Array ? utf8(value) : undefined;
}

/** Returns the items of a list or tuple; undefined for other values. */
export function itemsOf(value: Jelly | undefined): readonly Jelly[] | undefined {
  if (value instanceof Tuple) return value.items;
  return Array.isArray(value) ? (value as readonly Jelly[]) : undefined;
}
