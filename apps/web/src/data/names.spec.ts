import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { differencesOf, endOf } from './names.js';

const parts = (names: readonly string[]): string[] => {
  const differences = differencesOf(names);
  return names.map((name) => {
    const at = differences.get(name)!;
    return at === 0 ? name : `${name.slice(0, at)}|${name.slice(at)}`;
  });
};

describe('differencesOf', () => {
  it.each<[string[], string[]]>([
    [
      ['linux-gcc-debug', 'linux-gcc-release'],
      ['linux-gcc-|debug', 'linux-gcc-|release'],
    ],
    [
      ['linux-gcc-12', 'linux-gcc-13'],
      ['linux-gcc-|12', 'linux-gcc-|13'],
    ],
    [
      ['linux-gcc-test-all', 'linux-clang-test-all'],
      ['linux-|gcc-test-all', 'linux-|clang-test-all'],
    ],
    [
      ['gcc-test', 'msvc-test'],
      ['gcc-test', 'msvc-test'],
    ],
    [
      ['a-1', 'a-2'],
      ['a-1', 'a-2'],
    ],
    [['alone'], ['alone']],
    [
      ['nightly/linux', 'nightly/linux-arm'],
      ['nightly/|linux', 'nightly/|linux-arm'],
    ],
    [[], []],
  ])('of %j: %j', (names, expected) => expect(parts(names)).toEqual(expected));

  it('keeps visible the part that no other name with the same beginning has', () => {
    const word = fc.constantFrom('linux', 'mac', 'gcc', 'clang', 'debug', 'a', '1', '12', 'é');
    const name = fc.tuple(fc.array(word, { minLength: 1, maxLength: 5 }), fc.constantFrom('-', '/', ' '));
    fc.assert(
      fc.property(fc.array(name, { maxLength: 12 }), (all) => {
        const names = all.map(([words, separator]) => words.join(separator));
        const differences = differencesOf(names);
        for (const a of names) {
          const at = differences.get(a)!;
          expect(at).toBeLessThan(a.length);
          for (const b of names) {
            if (a !== b && a.slice(0, at) === b.slice(0, at)) expect(a.slice(at)).not.toBe(b.slice(at));
          }
        }
      }),
    );
  });
});

it.each([
  ['main', 0],
  ['feature/JIRA-1234-quite-a-long-story', 24],
])('endOf %s: %d', (name, at) => expect(endOf(name)).toBe(at));
