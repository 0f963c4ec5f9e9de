import { MsgpackReader } from './msgpack-reader.js';
import { encodeValue } from './msgpack-writer.js';
import { WORKER_LIMITS } from './limits.js';
import { ProtocolError, shown } from './protocol-error.js';

/** Most keys of one message. Real messages have up to six. */
const MAX_KEYS = 32;

/**
 * One WebSocket message: a map with text keys, whose values are decoded when they are read. Every reader's error names the key and the
 * unacceptable value.
 */
export class Frame {
  /** Offset of each key's value in the frame. */
  private readonly offsets = new Map<string, number>();
  readonly op: string;
  readonly seq: number;

  constructor(private readonly bytes: Uint8Array) {
    const reader = new MsgpackReader(bytes);
    const keys = reader.mapLength();
    if (keys > MAX_KEYS) throw new ProtocolError(`the message has ${keys} keys; ${MAX_KEYS} are the most`);
    for (let left = keys; left > 0; left--) {
      const key = reader.text(WORKER_LIMITS.idBytes);
      this.offsets.set(key, reader.offset);
      reader.skip();
    }
    if (!reader.atEnd) throw new ProtocolError(`${bytes.length - reader.offset} bytes follow the message`);
    this.op = this.text('op', WORKER_LIMITS.idBytes);
    this.seq = this.integer('seq_number');
  }

  has(key: string): boolean {
    return this.offsets.has(key);
  }

  /** Returns a reader that stands before the value of `key`. */
  at(key: string): MsgpackReader {
    const offset = this.offsets.get(key);
    if (offset === undefined) throw new ProtocolError(`the message has no '${key}'${this.place()}`, { key });
    return new MsgpackReader(this.bytes, offset);
  }

  value(key: string): unknown {
    return this.at(key).value();
  }

  /**
   * Reads a text.
   * @param maxBytes limit, checked before the text is decoded
   */
  text(key: string, maxBytes = Infinity): string {
    const reader = this.at(key);
    return reader.isText ? reader.text(maxBytes) : this.bad(key, reader.value(), 'text');
  }

  optionalText(key: string): string | null {
    const value = this.value(key);
    return value === null || typeof value === 'string' ? value : this.bad(key, value, 'text or nil');
  }

  /** Reads an integer of zero or more. */
  integer(key: string): number {
    const value = this.value(key);
    return Number.isSafeInteger(value) && (value as number) >= 0
      ? (value as number)
      : this.bad(key, value, 'an integer');
  }

  optionalNumber(key: string): number | null {
    const value = this.value(key);
    return value === null || typeof value === 'number' ? value : this.bad(key, value, 'a number or nil');
  }

  binary(key: string): Uint8Array {
    const reader = this.at(key);
    return reader.binary();
  }

  map(key: string): Record<string, unknown> {
    const value = this.value(key);
    return isRecord(value) ? value : this.bad(key, value, 'a map');
  }

  /** Returns the same message with another `seq_number`. */
  renumbered(seq: number): Uint8Array {
    const reader = this.at('seq_number');
    const from = reader.offset;
    reader.skip();
    return Buffer.concat([this.bytes.subarray(0, from), encodeValue(seq).bytes, this.bytes.subarray(reader.offset)]);
  }

  bad(key: string, value: unknown, wanted: string): never {
    throw new ProtocolError(`'${key}' must be ${wanted}, not ${shown(value)}${this.place()}`, { key });
  }

  private place(): string {
    return this.op === undefined ? '' : ` (op ${shown(this.op)})`;
  }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}
