import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { JsonValue } from './properties.js';
import { countsOf, revisionDifferences } from './revision-differences.js';

describe('what is different in two configurations', () => {
  const builders = (...of: JsonValue[]): JsonValue => ({ title: 'CI', builders: of });
  const [a, b] = [
    { name: 'a', tags: ['x'] },
    { name: 'b', tags: [] },
  ];

  it.each<[string, JsonValue, JsonValue, object[]]>([
    ['nothing', builders(a, b), builders(b, a), []],
    [
      'what came, went and changed',
      builders(a, b),
      builders({ ...a, tags: ['y'] }, { name: 'c' }),
      [
        {
          section: 'builders',
          added: ['c'],
          removed: ['b'],
          changed: [{ name: 'a', lines: ['- tags[0]: "x"', '+ tags[0]: "y"'] }],
          lines: [],
        },
      ],
    ],
    [
      'a section that was not there',
      {},
      { locks: [{ name: 'disk' }], title: 'CI' },
      [
        { section: 'locks', added: ['disk'], removed: [], changed: [], lines: [] },
        { section: 'other', added: [], removed: [], changed: [], lines: ['+ title: "CI"'] },
      ],
    ],
    [
      'lists without names',
      { www: { rules: [1] } },
      { www: { rules: [2] } },
      [
        {
          ...{ section: 'other', added: [], removed: [], changed: [] },
          lines: ['- www.rules[0]: 1', '+ www.rules[0]: 2'],
        },
      ],
    ],
    ['no configuration at all', null, {}, []],
    [
      'a name of inherited properties',
      builders({ name: '__proto__' }),
      builders({ name: 'constructor' }),
      [{ section: 'builders', added: ['constructor'], removed: ['__proto__'], changed: [], lines: [] }],
    ],
  ])('is %s', (_what, before, after, expected) => expect(revisionDifferences(before, after)).toEqual(expected));

  it('is counted', () => {
    const found = revisionDifferences(builders(a, b), { title: 'CD', builders: [{ ...a, tags: [] }, { name: 'c' }] });
    expect(countsOf(found)).toEqual({
      builders: { added: 1, removed: 1, changed: 1 },
      other: { added: 0, removed: 0, changed: 2 },
    });
  });

  it('is nothing for a configuration and itself, and turned round the other way round', () => {
    const json = fc
      .dictionary(fc.string(), fc.jsonValue())
      .map((value) => JSON.parse(JSON.stringify(value)) as JsonValue);
    fc.assert(
      fc.property(json, json, (one, other) => {
        expect(revisionDifferences(one, one)).toEqual([]);
        const [there, back] = [revisionDifferences(one, other), revisionDifferences(other, one)];
        expect(back.map(({ section, added, removed }) => [section, added, removed])).toEqual(
          there.map(({ section, added, removed }) => [section, removed, added]),
        );
      }),
    );
  });
});
