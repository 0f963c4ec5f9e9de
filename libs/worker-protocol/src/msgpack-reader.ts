import { ProtocolError } from './protocol-error.js';

/** Deepest nesting that is read. Real messages are flatter. */
const MAX_DEPTH = 32;
/** Most list and map values that one reader returns. A value may take dozens of times as much memory as in its frame. */
const MAX_KEPT_VALUES = 1 << 21;

/**
 * Reads MessagePack values one by one from a frame. It can skip values that nobody needs: decoding the line positions and times of a big
 * update costs several times as much as decoding its text. Integers beyond 2^53 are returned as bigint. Every method throws ProtocolError
 * on bad input.
 */
export class MsgpackReader {
  private readonly bytes: Buffer;
  private kept = 0;

  constructor(
    frame: Uint8Array,
    public offset = 0,
  ) {
    this.bytes = Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength);
  }

  get atEnd(): boolean {
    return this.offset === this.bytes.length;
  }

  value(depth = 0): unknown {
    if (depth > MAX_DEPTH) throw new ProtocolError(`a value is nested more than ${MAX_DEPTH} deep`);
    const type = this.peek();
    if (type <= 0x7f) return this.scalar(1, () => type);
    if (type >= 0xe0) return this.scalar(1, () => type - 0x100);
    if (isText(type)) return this.text();
    if (isBinary(type)) return this.binary();
    if (isArray(type)) return this.list(() => this.value(depth + 1));
    if (isMap(type)) return this.map(depth);
    const at = this.offset + 1;
    switch (type) {
      case 0xc0:
        return this.scalar(1, () => null);
      case 0xc2:
        return this.scalar(1, () => false);
      case 0xc3:
        return this.scalar(1, () => true);
      case 0xca:
        return this.scalar(5, () => this.bytes.readFloatBE(at));
      case 0xcb:
        return this.scalar(9, () => this.bytes.readDoubleBE(at));
      case 0xcc:
        return this.scalar(2, () => this.bytes.readUInt8(at));
      case 0xcd:
        return this.scalar(3, () => this.bytes.readUInt16BE(at));
      case 0xce:
        return this.scalar(5, () => this.bytes.readUInt32BE(at));
      case 0xcf:
        return this.scalar(9, () => narrow(this.bytes.readBigUInt64BE(at)));
      case 0xd0:
        return this.scalar(2, () => this.bytes.readInt8(at));
      case 0xd1:
        return this.scalar(3, () => this.bytes.readInt16BE(at));
      case 0xd2:
        return this.scalar(5, () => this.bytes.readInt32BE(at));
      case 0xd3:
        return this.scalar(9, () => narrow(this.bytes.readBigInt64BE(at)));
      default:
        throw this.unexpected('a value');
    }
  }

  get isText(): boolean {
    return isText(this.peek());
  }

  /** Reads a text. */
  text(maxBytes = Infinity): string {
    const length = this.textLength();
    if (length > maxBytes) throw new ProtocolError(`a text of ${length} bytes is longer than the ${maxBytes} allowed`);
    const from = this.take(length);
    return this.bytes.toString('utf8', from, from + length);
  }

  /** Reads file data: bin, or str from workers with an old msgpack library. Returns a view into the frame. */
  binary(): Uint8Array {
    const type = this.peek();
    let length: number;
    if (isBinary(type)) length = this.length(type === 0xc4 ? 1 : type === 0xc5 ? 2 : 4) ?? 0;
    else if (isText(type)) length = this.textLength();
    else throw this.unexpected('binary data');
    const from = this.take(length);
    return this.bytes.subarray(from, from + length);
  }

  /** Returns the length of the list that comes next, without entering it. */
  lengthAhead(): number {
    const { offset } = this;
    const length = this.arrayLength();
    this.offset = offset;
    return length;
  }

  /** Reads a list with `read` for each value. Values for which `read` returns undefined are left out. */
  list<T>(read: () => T | undefined, most = Infinity): T[] {
    const items: T[] = [];
    const length = this.arrayLength();
    if (length > most) throw new ProtocolError(`a list of ${length} is longer than the ${most} allowed`);
    for (let left = this.keep(length); left > 0; left--) {
      const item = read();
      if (item !== undefined) items.push(item);
    }
    return items;
  }

  /** Enters an array and returns the number of values that follow. */
  arrayLength(): number {
    const type = this.peek();
    if (!isArray(type)) throw this.unexpected('a list');
    return this.plausible(this.length(type === 0xdc ? 2 : type === 0xdd ? 4 : 0) ?? type & 0x0f);
  }

  /** Enters a map and returns the number of key and value pairs that follow. */
  mapLength(): number {
    const type = this.peek();
    if (!isMap(type)) throw this.unexpected('a map');
    return this.plausible(this.length(type === 0xde ? 2 : type === 0xdf ? 4 : 0) ?? type & 0x0f);
  }

  /** Skips one value without decoding it. */
  skip(): void {
    let pending = 1;
    while (pending > 0) {
      pending -= 1;
      const type = this.peek();
      if (type === 0xcb) this.offset += 9;
      else if (type <= 0x7f || type >= 0xe0) this.offset += 1;
      else if (isArray(type)) pending += this.arrayLength();
      else if (isMap(type)) pending += 2 * this.mapLength();
      else if (isText(type)) this.take(this.textLength());
      else if (isBinary(type)) this.binary();
      else this.offset += scalarSize(type) ?? this.refuse('a value');
      if (this.offset > this.bytes.length) throw this.truncated();
    }
  }

  private map(depth: number): Record<string, unknown> {
    const result: Record<string, unknown> = {};
    for (let left = this.keep(this.mapLength()); left > 0; left--) {
      const key = this.text();
      if (key === '__proto__') throw new ProtocolError(`'${key}' is not a possible key`);
      result[key] = this.value(depth + 1);
    }
    return result;
  }

  private scalar<T>(size: number, read: () => T): T {
    if (this.offset + size > this.bytes.length) throw this.truncated();
    const value = read();
    this.offset += size;
    return value;
  }

  private textLength(): number {
    const type = this.peek();
    if (!isText(type)) throw this.unexpected('text');
    return this.length(type === 0xd9 ? 1 : type === 0xda ? 2 : type === 0xdb ? 4 : 0) ?? type & 0x1f;
  }

  /** Skips a type byte and the big-endian length of `size` bytes after it. Returns undefined when the type byte contains the length. */
  private length(size: 0 | 1 | 2 | 4): number | undefined {
    const from = this.take(1 + size);
    return size === 0 ? undefined : this.bytes.readUIntBE(from + 1, size);
  }

  /** Checks a count of values against the bytes that are left: each value takes at least one byte. */
  private plausible(count: number): number {
    if (count > this.bytes.length - this.offset) throw this.truncated();
    return count;
  }

  private keep(count: number): number {
    this.kept += count;
    if (this.kept > MAX_KEPT_VALUES) throw new ProtocolError(`a message has more than ${MAX_KEPT_VALUES} values`);
    return count;
  }

  private take(length: number): number {
    const from = this.offset;
    if (from + length > this.bytes.length) throw this.truncated();
    this.offset = from + length;
    return from;
  }

  private peek(): number {
    const type = this.bytes[this.offset];
    if (type === undefined) throw this.truncated();
    return type;
  }

  private refuse(wanted: string): never {
    throw this.unexpected(wanted);
  }

  private unexpected(wanted: string): ProtocolError {
    const type = this.peek().toString(16).padStart(2, '0');
    return new ProtocolError(`expected ${wanted} at byte ${this.offset}, found MessagePack type 0x${type}`, { wanted });
  }

  private truncated(): ProtocolError {
    return new ProtocolError(`the message ends within a value (${this.bytes.length} bytes)`);
  }
}

function isText(type: number): boolean {
  return (type >= 0xa0 && type <= 0xbf) || (type >= 0xd9 && type <= 0xdb);
}

function isBinary(type: number): boolean {
  return type >= 0xc4 && type <= 0xc6;
}

function isArray(type: number): boolean {
  return (type >= 0x90 && type <= 0x9f) || type === 0xdc || type === 0xdd;
}

function isMap(type: number): boolean {
  return (type >= 0x80 && type <= 0x8f) || type === 0xde || type === 0xdf;
}

/** Returns the size of nil, a boolean or a number in bytes, with the type byte; undefined for other types. */
function scalarSize(type: number): number | undefined {
  if (type === 0xc0 || type === 0xc2 || type === 0xc3) return 1;
  if (type === 0xcc || type === 0xd0) return 2;
  if (type === 0xcd || type === 0xd1) return 3;
  if (type === 0xca || type === 0xce || type === 0xd2) return 5;
  if (type === 0xcb || type === 0xcf || type === 0xd3) return 9;
  return undefined;
}

function narrow(value: bigint): number | bigint {
  return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
}
