import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  checkProperties,
  interpolate,
  type Properties,
  propertiesFrom,
  propertiesGiven,
  type PropertyGiver,
  PROPERTY_LIMITS,
  secretProblem,
} from './properties.js';
import { interpolateCommand, interpolatePath } from './shell-template.js';

const nested = (depth: number): unknown => (depth === 0 ? 1 : [nested(depth - 1)]);
const many = (count: number): object => Object.fromEntries(Array.from({ length: count }, (_, i) => [`p${i}`, i]));

describe('checkProperties', () => {
  it.each<[string, unknown]>([
    ['none', {}],
    ['every kind of value', { a: 1, b: 'x', c: null, d: [true, { e: [] }] }],
    ['as many as there may be', many(1_000)],
    ['as long a name', { ['n'.repeat(256)]: 1 }],
    ['as long a value', { a: 'x'.repeat((64 << 10) - 2) }],
    ['as deep a value', { a: nested(16) }],
    ['names of the prototype', { constructor: 1, toString: 2, hasOwnProperty: 3 }],
  ])('takes %s', (_what, values) => {
    expect(() => checkProperties(values)).not.toThrow();
  });

  it.each<[string, unknown, RegExp]>([
    ['a list', [1], /^props has to be an object/],
    ['null', null, /^props has to be an object/],
    ['a text', 'x', /^props has to be an object/],
    ['too many', many(1_001), /^props has 1001 members: expected at most 1000/],
    ['a name without a character', { '': 1 }, /^props\. has a name of 0 characters/],
    ['a long name', { ['n'.repeat(257)]: 1 }, /^props\.n{100}… has a name of 257 characters: expected 1 to 256/],
    ['a long value', { ok: 1, long: 'x'.repeat((64 << 10) - 1) }, /^props\.long has 65537 characters/],
    ['a value that is long as JSON', { long: '\u0000'.repeat(20_000) }, /^props\.long has 120002 characters/],
    ['a deep value', { deep: nested(17) }, /^props\.deep is nested more than 16 deep/],
    ['a very deep value', { deep: JSON.parse('['.repeat(30_000) + ']'.repeat(30_000)) }, /nested more than 16/],
    ['__proto__', JSON.parse('{"__proto__": {"a": 1}}'), /no name of a property/],
    ['control characters', { ['\u001b[2J'.repeat(100)]: 1 }, /^props\.\\x1b/],
  ])('refuses %s', (_what, values, problem) => {
    expect(() => checkProperties(values, 'props')).toThrow(problem);
    expect(() => checkProperties(values, 'props')).toThrow(expect.objectContaining({ code: 'bad-properties' }));
  });

  it('accepts everything within the limits', () => {
    const name = fc.string({ minLength: 1, maxLength: 256 }).filter((text) => text !== '__proto__');
    fc.assert(
      fc.property(fc.dictionary(name, fc.jsonValue({ maxDepth: PROPERTY_LIMITS.maxDepth - 1 })), (values) => {
        expect(() => checkProperties(values)).not.toThrow();
      }),
    );
  });
});

describe('propertiesGiven', () => {
  const given = (...givers: PropertyGiver[]): Properties =>
    propertiesGiven(Object.fromEntries(givers.map((giver) => [giver, propertiesFrom({ p: 1, [giver]: 1 }, giver)])));

  it.each<[PropertyGiver, PropertyGiver]>([
    ['scheduler', 'changes'],
    ['scheduler', 'call'],
    ['changes', 'call'],
    ['call', 'buildset'],
    ['buildset', 'builder'],
    ['builder', 'worker'],
    ['buildset', 'configuration'],
    ['buildset', 'build'],
    ['configuration', 'build'],
  ])('takes the value of %s for less than that of %s, whoever is named first', (less, more) => {
    expect(given(less, more)).toEqual({ p: [1, more], [less]: [1, less], [more]: [1, more] });
    expect(given(more, less)).toEqual(given(less, more));
  });

  it('treats names of the prototype like other names', () => {
    const odd = (source: string) => propertiesFrom(JSON.parse('{"__proto__": 1}') as Record<string, 1>, source);
    expect(Object.entries(propertiesGiven({ scheduler: odd('a'), build: odd('b') }))).toEqual([
      ['__proto__', [1, 'b']],
    ]);
  });
});

describe('a secret in a template', () => {
  const from = { properties: {} };
  const plain = { plain: true };

  it.each(['%(secret:key)s', 'a %(prop:x)s %(secret:key:-none)s', '%(raw:secret:key)s'])(
    'is refused: %s',
    (template) => {
      const refused = expect.objectContaining({ code: 'no-secrets' });
      expect(() => interpolate(template, from)).toThrow(refused);
      expect(() => interpolate(template, from, plain)).toThrow(refused);
      expect(() => interpolateCommand(template, from, plain, 'posix')).toThrow(refused);
      expect(() => interpolatePath(template, from, plain)).toThrow(refused);
      expect(secretProblem(template, plain)).toEqual(refused);
      expect(secretProblem(template, { plain: false })).toEqual(refused);
    },
  );

  it.each(['%(prop:secret)s', '%%(secret:key)s', 'secret:key'])('is none: %s', (template) => {
    expect(secretProblem(template, { plain: false })).toBeNull();
    expect(() => interpolate(template, from)).not.toThrow();
  });
});
