import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { diffJson } from './json-diff.js';
import type { JsonValue } from './properties.js';

describe('the difference of two JSON values', () => {
  it.each<[string, JsonValue, JsonValue, string[]]>([
    ['nothing', { a: [1, { b: 2 }] }, { a: [1, { b: 2 }] }, []],
    ['the order of members', { a: 1, b: 2 }, { b: 2, a: 1 }, []],
    ['a value', { title: 'A' }, { title: 'B' }, ['- title: "A"', '+ title: "B"']],
    ['a member', { a: 1 }, { a: 1, b: { c: null } }, ['+ b: {"c":null}']],
    ['a member of a list', { a: [1, 2] }, { a: [1, 3, 4] }, ['- a[1]: 2', '+ a[1]: 3', '+ a[2]: 4']],
    ['an empty list', { a: [] }, { a: [{ name: 'x' }] }, ['+ a.x: {"name":"x"}']],
    [
      'what has a name, by name',
      { builders: [{ name: 'a', tags: [] }, { name: 'b', tags: ['x'] }, { name: 'c' }] },
      { builders: [{ name: 'b', tags: ['y'] }, { name: 'd' }, { name: 'a', tags: [] }] },
      [
        '- builders.b.tags[0]: "x"',
        '+ builders.b.tags[0]: "y"',
        '- builders.c: {"name":"c"}',
        '+ builders.d: {"name":"d"}',
      ],
    ],
    ['a type', { a: { b: 1 } }, { a: 'b' }, ['- a: {"b":1}', '+ a: "b"']],
  ])('is %s', (_what, before, after, expected) => expect(diffJson(before, after)).toEqual(expected));

  it('is empty for a value and itself, and the other way round has the same lines with other signs', () => {
    const json = fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as JsonValue);
    const turned = (line: string): string => (line.startsWith('-') ? '+' : '-') + line.slice(1);
    fc.assert(
      fc.property(json, json, (a, b) => {
        expect(diffJson(a, a)).toEqual([]);
        expect(diffJson(b, a).map(turned).sort()).toEqual([...diffJson(a, b)].sort());
      }),
    );
  });
});
