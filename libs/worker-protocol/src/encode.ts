import { Encoder } from '@msgpack/msgpack';

const plain = new Encoder();
/** Encodes bigints as integers, but numbers beyond 32 bits as floats: those have to be made bigints first. */
const withBigints = new Encoder({ useBigInt64: true });

/** One message. Keys go out in their order; `undefined` values are left out. */
export function encodeMessage(message: Readonly<Record<string, unknown>>): Uint8Array {
  return plain.encode(defined(message));
}

/** The same for a message that may hold bigints; it looks at every value. */
export function encodeMessageWithBigints(message: Readonly<Record<string, unknown>>): Uint8Array {
  return withBigints.encode(bigIntegers(defined(message)));
}

function defined(message: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(message).filter(([, value]) => value !== undefined));
}

function bigIntegers(value: unknown): unknown {
  if (typeof value === 'number')
    return Number.isSafeInteger(value) && Math.abs(value) > 0x7fff_ffff ? BigInt(value) : value;
  if (Array.isArray(value)) return value.map(bigIntegers);
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, bigIntegers(item)]));
}
