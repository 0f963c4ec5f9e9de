import { describe, expect, it } from '@jest/globals';
import { type ChangeFilter, filterChange } from './change-filter.js';

const change = { project: 'millrace', repository: 'https://git.example/m.git', branch: 'main', category: null };
const values = (...list: (string | null)[]) => ({ kind: 'values', values: list }) as const;
const regex = (source: string, flags = '') => ({ kind: 'regex', source, flags }) as const;
const callback = (handle: string) => ({ kind: 'callback', handle }) as const;

describe('filterChange', () => {
  it.each<[string, ChangeFilter, unknown]>([
    ['an empty filter', {}, { kind: 'passes' }],
    ['an equal value', { branch: values('main') }, { kind: 'passes' }],
    ['one of several values', { branch: values('dev', 'main') }, { kind: 'passes' }],
    ['another value', { branch: values('dev') }, { kind: 'refused', by: 'branch' }],
    ['null for a missing value', { category: values(null) }, { kind: 'passes' }],
    ['a value where none is', { category: values('push') }, { kind: 'refused', by: 'category' }],
    ['a searched expression', { repository: regex('EXAMPLE/', 'i') }, { kind: 'passes' }],
    ['an anchored expression', { branch: regex('^mai$') }, { kind: 'refused', by: 'branch' }],
    ['an expression and no value', { category: regex('') }, { kind: 'refused', by: 'category' }],
    [
      'an expression that JavaScript would never end with',
      { branch: regex('^(m+|a+|i+|n+|[main]+)+!$') },
      { kind: 'refused', by: 'branch' },
    ],
    ['a callback', { branch: callback('h') }, { kind: 'undecided', ask: [{ handle: 'h', value: 'main' }] }],
    [
      'a callback beside a mismatch, which is not asked',
      { project: callback('h'), branch: values('dev') },
      { kind: 'refused', by: 'branch' },
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
