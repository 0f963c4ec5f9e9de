import { describe, expect, it } from '@jest/globals';
import { type ChangeFilter, filterChange } from './change-filter.js';

const change = { project: 'millrace', repository: 'https://git.example/m.git', branch: 'main', category: null };
const values = (...list: (string | null)[]) => ({ kind: 'values', values: list }) as const;
const regex = (source: string, flags = '') => ({ kind: 'regex', source, flags }) as const;
const callback = (handle: string) => ({ kind: 'callback', handle }) as const;
const refused = (by: string, why: string): unknown => ({ kind: 'refused', by, reason: `${by} filter: ${why}` });

describe('filterChange', () => {
  it.each<[string, ChangeFilter, unknown]>([
    ['an empty filter', {}, { kind: 'passes' }],
    ['an equal value', { branch: values('main') }, { kind: 'passes' }],
    ['one of several values', { branch: values('dev', 'main') }, { kind: 'passes' }],
    ['another value', { branch: values('dev') }, refused('branch', '`main` is not `dev`')],
    ['none of several values', { branch: values('dev', null) }, refused('branch', '`main` is none of `dev`, none')],
    [
      'none of many values, of which it names some',
      { branch: values('a', 'b', 'c', 'd', 'e', 'f') },
      refused('branch', '`main` is none of `a`, `b`, `c`, `d`, `e`, … (6)'),
    ],
    ['null for a missing value', { category: values(null) }, { kind: 'passes' }],
    ['a value where none is', { category: values('push') }, refused('category', 'none is not `push`')],
    ['a searched expression', { repository: regex('EXAMPLE/', 'i') }, { kind: 'passes' }],
    ['an anchored expression', { branch: regex('^mai$') }, refused('branch', '`main` does not match /^mai$/')],
    ['an expression and no value', { category: regex('') }, refused('category', 'none does not match //')],
    [
      'an expression that JavaScript would never end with',
      { branch: regex('^(m+|a+|i+|n+|[main]+)+!$') },
      refused('branch', '`main` does not match /^(m+|a+|i+|n+|[main]+)+!$/'),
    ],
    [
      'a callback',
      { branch: callback('h') },
      {
        kind: 'undecided',
        ask: [{ handle: 'h', value: 'main', refusal: 'branch filter: `main` is refused by a callback' }],
      },
    ],
    [
      'a callback beside a mismatch, which is not asked',
      { project: callback('h'), branch: values('dev') },
      refused('branch', '`main` is not `dev`'),
    ],
  ])('decides %s', (_what, filter, decision) => {
    expect(filterChange(filter, change)).toEqual(decision);
  });

  it('gives the same answer when an expression with the global flag is used again', () => {
    const filter = { branch: regex('main', 'g') };
    expect([filterChange(filter, change), filterChange(filter, change)]).toEqual([
      { kind: 'passes' },
      { kind: 'passes' },
    ]);
  });
});
