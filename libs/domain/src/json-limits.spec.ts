import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { checkJsonLimits, parseJson } from './json-limits.js';

const codeOf = (work: () => unknown): string => {
  try {
    work();
    return 'accepted';
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
};
const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
const LIMITS = { maxDepth: 4, maxValues: 10, maxCharacters: 60 };

describe('parseJson', () => {
  it.each([
    ['a scalar', '1', 'accepted'],
    ['as deep as allowed', nested(4), 'accepted'],
    ['too deep', nested(5), 'json-too-deep'],
    ['30,000 deep', nested(30_000), 'json-too-long'],
    ['objects too deep', '{"a":{"a":{"a":{"a":{}}}}}', 'json-too-deep'],
    ['brackets in a string', `"${'['.repeat(20)}"`, 'accepted'],
    ['an escaped quotation mark before brackets', `"\\"${'['.repeat(20)}"`, 'accepted'],
    ['an escaped backslash at the end of a string', `["\\\\",[[[[]]]]]`, 'json-too-deep'],
    ['many values', '[1,2,3,4,5,6,7,8,9,10,11]', 'json-too-many-values'],
    ['names count as values', '{"a":1,"b":2,"c":3,"d":4,"e":5}', 'json-too-many-values'],
    ['too long', `"${'x'.repeat(60)}"`, 'json-too-long'],
    ['no JSON', '{"a":', 'bad-json'],
    ['nothing', '', 'bad-json'],
    ['a string that does not end', '"abc', 'bad-json'],
  ])('%s: %s', (_what, text, expected) => {
    expect(codeOf(() => parseJson(text, LIMITS))).toBe(expected);
  });

  it('refuses 100,000 brackets before parsing, with the default limits', () => {
    expect(codeOf(() => parseJson(nested(100_000)))).toBe('json-too-deep');
  });

  it('returns what JSON.parse returns for everything within the limits', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
        const text = JSON.stringify(value);
        expect(parseJson(text)).toEqual(JSON.parse(text));
      }),
    );
  });
});

describe('checkJsonLimits', () => {
  it.each<[string, unknown, string]>([
    ['a scalar', 1, 'accepted'],
    ['undefined, which a codec may give for an absent value', undefined, 'accepted'],
    ['as deep as allowed', JSON.parse(nested(4)), 'accepted'],
    ['too deep', JSON.parse(nested(5)), 'json-too-deep'],
    ['very deep', JSON.parse(nested(5_000)), 'json-too-deep'],
    ['a long array', new Array<number>(11).fill(0), 'json-too-many-values'],
    ['long strings', ['x'.repeat(30), 'x'.repeat(31)], 'json-too-long'],
    ['a long name', { ['x'.repeat(61)]: 1 }, 'json-too-long'],
    ['long bytes', Buffer.alloc(61), 'json-too-long'],
    ['a function', { a: () => 1 }, 'bad-json'],
    ['a date', { a: new Date(0) }, 'bad-json'],
    ['an object without a prototype', Object.assign(Object.create(null) as object, { a: 1 }), 'accepted'],
  ])('%s: %s', (_what, value, expected) => {
    expect(codeOf(() => checkJsonLimits(value, LIMITS))).toBe(expected);
  });

  it('agrees with parseJson about depth', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 8 }), fc.integer({ min: 0, max: 6 }), (value, maxDepth) => {
        const limits = { maxDepth, maxValues: 1e6, maxCharacters: 1e6 };
        expect(codeOf(() => checkJsonLimits(value, limits))).toBe(
          codeOf(() => parseJson(JSON.stringify(value), limits)),
        );
      }),
    );
  });
});
