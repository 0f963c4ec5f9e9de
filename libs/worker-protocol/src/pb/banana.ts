import { UserError } from '@millrace/domain';
import { WORKER_LIMITS } from '../limits.js';
import { ProtocolError } from '../protocol-error.js';

/** A number that is a float on the wire even when it is whole. */
export class Float {
  constructor(readonly value: number) {}
}

/** A value that banana carries. Integers beyond 2^53 are bigints. Byte strings are views into the received chunk, not copies. */
export type Banana = number | bigint | Float | Uint8Array | readonly Banana[];

/** How strings are sent: `pb` sends well-known ones as numbers. Both dialects are always understood when received. */
export type Dialect = 'pb' | 'none';

/** The most bytes of a string or elements of a list, inclusive. A peer that receives more drops the connection. */
export const MAX_BANANA_LENGTH = 655_360;
const MAX_PREFIX_BYTES = 64;
const MAX_DEPTH = 64;

const LIST = 0x80;
const INT = 0x81;
const STRING = 0x82;
const NEG = 0x83;
const FLOAT = 0x84;
const LONGINT = 0x85;
const LONGNEG = 0x86;
const VOCAB = 0x87;
const FLOAT_BYTES = 8;

const VOCABULARY = (
  'None class dereference reference dictionary function instance list module persistent tuple unpersistable copy cache cached ' +
  'remote local lcache version login password challenge logged_in not_logged_in cachemessage message answer error decref ' +
  'decache uncache'
).split(' ');
/** The `pb` dialect's vocabulary by number. Number 0 is not used. */
const VOCABULARY_BYTES: readonly (Uint8Array | undefined)[] = [
  undefined,
  ...VOCABULARY.map((word) => Buffer.from(word, 'latin1')),
];
const VOCABULARY_NUMBERS: ReadonlyMap<string, number> = new Map(VOCABULARY.map((word, index) => [word, index + 1]));
const LONGEST_WORD = Math.max(...VOCABULARY.map((word) => word.length));

/** Limits of one top-level element, including its nested lists and strings. */
export interface BananaLimits {
  readonly maxMessageBytes: number;
  readonly maxMessageElements: number;
}

export const DEFAULT_BANANA_LIMITS: BananaLimits = {
  maxMessageBytes: WORKER_LIMITS.messageBytes,
  maxMessageElements: 1 << 21,
};
/** Limits before the worker has attached. */
export const ATTACH_BANANA_LIMITS: BananaLimits = {
  maxMessageBytes: WORKER_LIMITS.attachMessageBytes,
  maxMessageElements: 1 << 16,
};

interface OpenList {
  readonly items: Banana[];
  readonly length: number;
}

/** Decodes banana from chunks split anywhere, and passes on whole top-level elements. The memory it holds is bounded by its limits. */
export class BananaDecoder {
  /** May change between elements. */
  limits: BananaLimits;
  private readonly open: OpenList[] = [];
  /** Digits of the element whose type byte has not arrived, least significant first. */
  private readonly prefix = Buffer.alloc(MAX_PREFIX_BYTES);
  private prefixLength = 0;
  /** A string or float that has arrived in part. */
  private payload: { readonly bytes: Buffer; filled: number; readonly isFloat: boolean } | undefined;
  private messageBytes = 0;
  private messageElements = 0;

  /** @param onElement `bytes` is the element's size on the wire */
  constructor(
    private readonly onElement: (element: Banana, bytes: number) => void,
    limits: BananaLimits = DEFAULT_BANANA_LIMITS,
  ) {
    this.limits = limits;
  }

  /**
   * Decodes a chunk. What `onElement` throws passes through.
   * @throws ProtocolError; the decoder cannot be used afterwards
   */
  receive(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.payload !== undefined) {
        at += this.fill(this.payload, chunk, at);
        continue;
      }
      const byte = chunk[at++]!;
      this.spend(1);
      if (byte < 0x80) {
        if (this.prefixLength === MAX_PREFIX_BYTES) {
          throw new ProtocolError(`a banana prefix has more than ${MAX_PREFIX_BYTES} digits`);
        }
        this.prefix[this.prefixLength++] = byte;
      } else {
        at = this.begin(byte, chunk, at);
      }
    }
  }

  /** Begins the element of this type byte and reads as much of its payload as the chunk has. Returns where to go on. */
  private begin(type: number, chunk: Uint8Array, at: number): number {
    if (++this.messageElements > this.limits.maxMessageElements) {
      throw new ProtocolError(`a message has more than ${this.limits.maxMessageElements} elements`);
    }
    switch (type) {
      case LIST:
        this.beginList(this.length('list'));
        return at;
      case INT:
      case LONGINT:
        this.add(this.magnitude());
        return at;
      case NEG:
      case LONGNEG: {
        const magnitude = this.magnitude();
        this.add(magnitude === 0 ? 0 : -magnitude);
        return at;
      }
      case VOCAB: {
        const number = Number(this.magnitude());
        const word = VOCABULARY_BYTES[number];
        if (word === undefined) throw new ProtocolError(`there is no vocabulary number ${number}`, { number });
        this.add(word);
        return at;
      }
      case STRING:
        return this.beginPayload(this.length('string'), false, chunk, at);
      case FLOAT:
        this.prefixLength = 0;
        return this.beginPayload(FLOAT_BYTES, true, chunk, at);
      default:
        throw new ProtocolError(`there is no banana type 0x${type.toString(16)}`, { type });
    }
  }

  private beginList(length: number): void {
    if (length === 0) return this.add([]);
    if (this.open.length === MAX_DEPTH) throw new ProtocolError(`lists are nested more than ${MAX_DEPTH} deep`);
    this.open.push({ items: [], length });
  }

  private beginPayload(length: number, isFloat: boolean, chunk: Uint8Array, at: number): number {
    const end = at + length;
    if (end > chunk.length) {
      // Checked here, so that a length beyond the message's limit allocates nothing.
      if (this.messageBytes + length > this.limits.maxMessageBytes) this.spend(length);
      this.payload = { bytes: Buffer.allocUnsafe(length), filled: 0, isFloat };
      return at;
    }
    this.spend(length);
    this.finishPayload(chunk.subarray(at, end), isFloat);
    return end;
  }

  private fill(payload: NonNullable<typeof this.payload>, chunk: Uint8Array, at: number): number {
    const taken = Math.min(payload.bytes.length - payload.filled, chunk.length - at);
    payload.bytes.set(chunk.subarray(at, at + taken), payload.filled);
    payload.filled += taken;
    this.spend(taken);
    if (payload.filled === payload.bytes.length) {
      this.payload = undefined;
      this.finishPayload(payload.bytes, payload.isFloat);
    }
    return taken;
  }

  private finishPayload(bytes: Uint8Array, isFloat: boolean): void {
    if (!isFloat) return this.add(bytes);
    this.add(new Float(new DataView(bytes.buffer, bytes.byteOffset, FLOAT_BYTES).getFloat64(0)));
  }

  /** Adds a complete element to its list, or passes it on when it is at the top level. */
  private add(element: Banana): void {
    let whole = element;
    for (let list = this.open.at(-1); list !== undefined; list = this.open.at(-1)) {
      list.items.push(whole);
      if (list.items.length < list.length) return;
      this.open.pop();
      whole = list.items;
    }
    const bytes = this.messageBytes;
    this.messageBytes = 0;
    this.messageElements = 0;
    this.onElement(whole, bytes);
  }

  private length(what: string): number {
    const length = Number(this.magnitude());
    if (length > MAX_BANANA_LENGTH) {
      throw new ProtocolError(`a ${what} of ${length} is longer than ${MAX_BANANA_LENGTH}`, { length });
    }
    return length;
  }

  private magnitude(): number | bigint {
    const digits = this.prefixLength;
    this.prefixLength = 0;
    // Seven digits are 49 bits.
    if (digits <= 7) {
      let value = 0;
      for (let index = digits - 1; index >= 0; index--) value = value * 128 + this.prefix[index]!;
      return value;
    }
    let value = 0n;
    for (let index = digits - 1; index >= 0; index--) value = (value << 7n) | BigInt(this.prefix[index]!);
    return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
  }

  private spend(bytes: number): void {
    this.messageBytes += bytes;
    if (this.messageBytes > this.limits.maxMessageBytes) {
      throw new ProtocolError(`a message has more than ${this.limits.maxMessageBytes} bytes`);
    }
  }
}

/**
 * Encodes an element.
 * @throws UserError `too-long-for-pb` for a string or list that is too long for the peer
 */
export function encodeBanana(element: Banana, dialect: Dialect): Buffer {
  const parts: Uint8Array[] = [];
  encodeInto(parts, element, dialect);
  return Buffer.concat(parts);
}

function encodeInto(parts: Uint8Array[], element: Banana, dialect: Dialect): void {
  if (element instanceof Uint8Array) {
    const vocabulary =
      dialect === 'pb' && element.length <= LONGEST_WORD ? VOCABULARY_NUMBERS.get(latin1(element)) : undefined;
    if (vocabulary !== undefined) parts.push(token(vocabulary, VOCAB));
    else parts.push(token(checked(element.length, 'string'), STRING), element);
  } else if (typeof element === 'number' || typeof element === 'bigint') {
    parts.push(integer(element));
  } else if (element instanceof Float) {
    const bytes = Buffer.alloc(1 + FLOAT_BYTES, FLOAT);
    bytes.writeDoubleBE(element.value, 1);
    parts.push(bytes);
  } else {
    parts.push(token(checked(element.length, 'list'), LIST));
    for (const item of element) encodeInto(parts, item, dialect);
  }
}

function integer(value: number | bigint): Uint8Array {
  if (value >= 0) return token(value, value <= 0x7fff_ffff ? INT : LONGINT);
  return token(-value, value >= -0x8000_0000 ? NEG : LONGNEG);
}

function token(magnitude: number | bigint, type: number): Uint8Array {
  const bytes: number[] = [];
  if (typeof magnitude === 'number') {
    for (let rest = magnitude; bytes.length === 0 || rest > 0; rest = Math.floor(rest / 128)) bytes.push(rest % 128);
  } else {
    for (let rest = magnitude; bytes.length === 0 || rest > 0n; rest >>= 7n) bytes.push(Number(rest & 127n));
  }
  bytes.push(type);
  return Uint8Array.from(bytes);
}

function checked(length: number, what: string): number {
  if (length <= MAX_BANANA_LENGTH) return length;
  throw new UserError(
    'too-long-for-pb',
    `a ${what} of ${length} is too long for a worker that speaks PB; ${MAX_BANANA_LENGTH} are the most`,
    { length },
  );
}

/** Decodes a byte string as Latin-1. */
export function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

/** Decodes a byte string as UTF-8. Invalid bytes become U+FFFD. */
export function utf8(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}
