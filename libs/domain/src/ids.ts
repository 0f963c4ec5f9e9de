import { randomFillSync } from 'node:crypto';
import { UserError } from './errors.js';

/** A UUIDv7 in text form, lower case. It has 16 bytes in the database and is text everywhere else. */
export type Uuid = string;

const random = new Uint8Array(16);
let lastMs = 0;
let counter = 0;

/**
 * Makes a UUIDv7. Ids of one process sort in the order in which they were made: within a millisecond the 12 bits of `rand_a` count up, and
 * a counter that overflows borrows the next millisecond.
 */
export function uuidv7(nowMs: number = Date.now()): Uuid {
  if (nowMs > lastMs) {
    lastMs = nowMs;
    randomFillSync(random);
    counter = ((random[0]! << 8) | random[1]!) & 0x7ff;
  } else if (++counter > 0xfff) {
    lastMs += 1;
    counter = 0;
  }
  randomFillSync(random);
  const bytes = Buffer.from(random);
  bytes.writeUIntBE(lastMs, 0, 6);
  bytes[6] = 0x70 | (counter >> 8);
  bytes[7] = counter & 0xff;
  bytes[8] = 0x80 | (bytes[8]! & 0x3f);
  return uuidFromBytes(bytes);
}

const UUID_TEXT = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export function isUuid(value: unknown): value is Uuid {
  return typeof value === 'string' && UUID_TEXT.test(value);
}

export function uuidFromBytes(bytes: Uint8Array): Uuid {
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/**
 * Converts a UUID to its 16 bytes.
 * @throws UserError `bad-uuid`
 */
export function uuidToBytes(uuid: Uuid): Buffer {
  if (!isUuid(uuid)) throw new UserError('bad-uuid', `'${String(uuid)}' is not a UUID`, { uuid });
  return Buffer.from(uuid.replaceAll('-', ''), 'hex');
}
