import { UnexpectedError } from '@millrace/domain';

const INITIAL_BYTES = 256;

/** A value that is already encoded. */
export class Encoded {
  constructor(readonly bytes: Uint8Array) {}
}

/**
 * Writes MessagePack values one after the other. Text goes through the platform's own UTF-8 encoder: the general encoder of
 * @msgpack/msgpack counts and encodes character by character, which took most of a worker's CPU with much output. Integers take their
 * shortest form. A number with a fraction, or beyond 2^53, is a double. `undefined` is nil.
 */
export class MsgpackWriter {
  private bytes = Buffer.allocUnsafe(INITIAL_BYTES);
  private length = 0;

  /** Returns the written bytes, as a view that nobody else writes to. */
  finish(): Uint8Array {
    const written = this.bytes.subarray(0, this.length);
    this.bytes = Buffer.alloc(0);
    this.length = 0;
    return written;
  }

  value(value: unknown): void {
    if (typeof value === 'string') this.text(value);
    else if (typeof value === 'number') this.number(value);
    else if (typeof value === 'bigint') this.bigint(value);
    else if (typeof value === 'boolean') this.byte(value ? 0xc3 : 0xc2);
    else if (value === null || value === undefined) this.byte(0xc0);
    else if (value instanceof Uint8Array) this.binary(value);
    else if (value instanceof Encoded) this.raw(value.bytes);
    else if (Array.isArray(value)) this.array(value);
    else if (typeof value === 'object') this.map(value as Readonly<Record<string, unknown>>);
    else throw new UnexpectedError('not-encodable', `a ${typeof value} cannot be sent`);
  }

  /** Writes a map, with its keys in their order. */
  map(value: Readonly<Record<string, unknown>>): void {
    const keys = Object.keys(value);
    this.head(keys.length, 0x80, 15, undefined, 0xde, 0xdf);
    for (const key of keys) {
      this.text(key);
      this.value(value[key]);
    }
  }

  array(values: readonly unknown[]): void {
    this.head(values.length, 0x90, 15, undefined, 0xdc, 0xdd);
    for (const value of values) this.value(value);
  }

  text(text: string): void {
    const size = Buffer.byteLength(text);
    this.head(size, 0xa0, 31, 0xd9, 0xda, 0xdb);
    const at = this.take(size);
    this.bytes.write(text, at, size, 'utf8');
  }

  private raw(bytes: Uint8Array): void {
    const at = this.take(bytes.length);
    this.bytes.set(bytes, at);
  }

  private binary(block: Uint8Array): void {
    this.head(block.length, undefined, -1, 0xc4, 0xc5, 0xc6);
    const at = this.take(block.length);
    this.bytes.set(block, at);
  }

  private number(value: number): void {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
      const at = this.take(9);
      this.bytes[at] = 0xcb;
      this.bytes.writeDoubleBE(value, at + 1);
    } else if (value >= 0) {
      if (value <= 0x7f) this.byte(value);
      else if (value <= 0xff) this.sized(0xcc, value, 1);
      else if (value <= 0xffff) this.sized(0xcd, value, 2);
      else if (value <= 0xffff_ffff) this.sized(0xce, value, 4);
      else this.bigint(BigInt(value));
    } else if (value >= -0x20) this.byte(value & 0xff);
    else if (value >= -0x80) this.sized(0xd0, value & 0xff, 1);
    else if (value >= -0x8000) this.sized(0xd1, value & 0xffff, 2);
    else if (value >= -0x8000_0000) this.sized(0xd2, value >>> 0, 4);
    else this.bigint(BigInt(value));
  }

  private bigint(value: bigint): void {
    const at = this.take(9);
    this.bytes[at] = value < 0n ? 0xd3 : 0xcf;
    if (value < 0n) this.bytes.writeBigInt64BE(value, at + 1);
    else this.bytes.writeBigUInt64BE(value, at + 1);
  }

  /** Writes a type with a length: in the type byte up to `inType`, otherwise in one, two or four bytes after it. */
  private head(
    size: number,
    short: number | undefined,
    inType: number,
    one: number | undefined,
    two: number,
    four: number,
  ): void {
    if (short !== undefined && size <= inType) this.byte(short | size);
    else if (one !== undefined && size <= 0xff) this.sized(one, size, 1);
    else if (size <= 0xffff) this.sized(two, size, 2);
    else this.sized(four, size, 4);
  }

  private sized(type: number, value: number, size: 1 | 2 | 4): void {
    const at = this.take(1 + size);
    this.bytes[at] = type;
    this.bytes.writeUIntBE(value, at + 1, size);
  }

  private byte(value: number): void {
    const at = this.take(1);
    this.bytes[at] = value;
  }

  /** Reserves `size` bytes and returns their offset. */
  private take(size: number): number {
    const at = this.length;
    this.length += size;
    if (this.length > this.bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.length + INITIAL_BYTES, 2 * this.bytes.length));
      this.bytes.copy(larger, 0, 0, at);
      this.bytes = larger;
    }
    return at;
  }
}

export function encodeValue(value: unknown): Encoded {
  const writer = new MsgpackWriter();
  writer.value(value);
  return new Encoded(writer.finish());
}

/** Encodes one message. Keys keep their order; keys with `undefined` values are left out. */
export function encodeMessage(message: Readonly<Record<string, unknown>>): Uint8Array {
  const writer = new MsgpackWriter();
  writer.map(Object.fromEntries(Object.entries(message).filter(([, value]) => value !== undefined)));
  return writer.finish();
}
