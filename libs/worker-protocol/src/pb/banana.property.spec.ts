import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ProtocolError } from '../protocol-error.js';
import { type Banana, BananaDecoder, encodeBanana, Float, MAX_BANANA_LENGTH } from './banana.js';
import { decodeJelly } from './jelly.js';

const { banana } = fc.letrec<{ banana: Banana }>((tie) => ({
  banana: fc.oneof(
    { maxDepth: 4 },
    fc.maxSafeInteger(),
    fc.bigInt({ min: 2n ** 53n, max: 2n ** 200n }),
    fc.bigInt({ min: -(2n ** 200n), max: -(2n ** 53n) }),
    fc.double({ noNaN: true }).map((value) => new Float(value)),
    fc.uint8Array({ maxLength: 300 }),
    fc.constantFrom('None', 'message', 'unicode').map((word) => new TextEncoder().encode(word)),
    fc.array(tie('banana'), { maxLength: 5 }),
  ),
}));

/** Converts byte strings to one class, because `toEqual` compares classes. */
function plain(value: Banana): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (Object.is(value, -0)) return 0;
  return Array.isArray(value) ? (value as Banana[]).map(plain) : value;
}

describe('BananaDecoder', () => {
  it('reads what the encoder writes, in either dialect and in chunks of any size', () => {
    fc.assert(
      fc.property(
        banana,
        fc.constantFrom('pb' as const, 'none' as const),
        fc.integer({ min: 1, max: 50 }),
        (value, dialect, step) => {
          const bytes = encodeBanana(value, dialect);
          const elements: Banana[] = [];
          const sizes: number[] = [];
          const decoder = new BananaDecoder((element, size) => {
            elements.push(element);
            sizes.push(size);
          });
          for (let at = 0; at < bytes.length; at += step) decoder.receive(bytes.subarray(at, at + step));
          expect(elements.map(plain)).toEqual([plain(value)]);
          expect(sizes).toEqual([bytes.length]);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('answers any garbage with values or a protocol error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), (garbage) => {
        try {
          new BananaDecoder((element) => void decodeJelly(element)).receive(garbage);
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError);
        }
      }),
      { numRuns: 10_000 },
    );
  });

  it.each([
    ['a string that is too long', [...digits(MAX_BANANA_LENGTH + 1), 0x82], /longer than/],
    ['a list that is too long', [...digits(MAX_BANANA_LENGTH + 1), 0x80], /longer than/],
    ['a prefix of 65 digits', Array.from({ length: 65 }, () => 1), /prefix/],
    ['deep nesting', Array.from({ length: 200 }, (_none, index) => (index % 2 === 0 ? 1 : 0x80)), /nested/],
    ['an unknown type', [0x90], /type 0x90/],
    ['an unknown word', [0x7f, 0x87], /vocabulary number 127/],
  ])('refuses %s', (_what, bytes, message) => {
    expect(() => new BananaDecoder(() => undefined).receive(Uint8Array.from(bytes))).toThrow(message);
  });

  it('accepts the longest allowed string, and no message beyond its limits', () => {
    const longest = encodeBanana(new Uint8Array(MAX_BANANA_LENGTH), 'pb');
    let received = 0;
    new BananaDecoder((element) => (received = (element as Uint8Array).length)).receive(longest);
    expect(received).toBe(MAX_BANANA_LENGTH);
    expect(() => encodeBanana(new Uint8Array(MAX_BANANA_LENGTH + 1), 'pb')).toThrow(/too long/);
    const small = { maxMessageBytes: 1000, maxMessageElements: 10 };
    expect(() => new BananaDecoder(() => undefined, small).receive(longest)).toThrow(/1000 bytes/);
    const list = encodeBanana([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 'pb');
    expect(() => new BananaDecoder(() => undefined, small).receive(list)).toThrow(/10 elements/);
  });
});

function digits(value: number): number[] {
  return value === 0 ? [] : [value % 128, ...digits(Math.floor(value / 128))];
}
