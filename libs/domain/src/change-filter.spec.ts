import { describe, expect, it } from '@jest/globals';
import { type ChangeFilter, filterChange } from './change-filter.js';

const properties = { event: ['push', 'Change'], number: [7, 'Change'], labels: [['a'], 'Change'] } as const;
const change = {
  project: 'millrace',
  repository: 'https://git.example/m.git',
  branch: 'main',
  category: null,
  codebase: 'app',
  properties,
};
const values = (...list: (string | null)[]) => ({ kind: 'values', values: list }) as const;
const regex = (source: string, flags = '') => ({ kind: 'regex', source, flags }) as const;
const not = <M extends object>(match: M) => ({ ...match, negated: true });
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
    ['a codebase', { codebase: values('app') }, { kind: 'passes' }],
    [
      'a value that it must not have',
      { branch: not(values('main')) },
      refused('branch', '`main` is what it must not be'),
    ],
    ['no value where it must not have one', { category: not(values('docs')) }, { kind: 'passes' }],
    ['an expression that must not match', { branch: not(regex('^m')) }, refused('branch', '`main` matches /^m/')],
    ['no value where an expression must not match', { category: not(regex('')) }, { kind: 'passes' }],
    [
      'all of several conditions',
      { branch: { kind: 'all', of: [regex('^m'), not(values('master'))] } },
      { kind: 'passes' },
    ],
    [
      'one of several conditions that is not met',
      { branch: { kind: 'all', of: [regex('^m'), not(values('main'))] } },
      refused('branch', '`main` is what it must not be'),
    ],
    ['a property', { 'properties.event': values('push', 'tag') }, { kind: 'passes' }],
    [
      'a property of another value',
      { 'properties.event': values('tag') },
      refused('properties.event', '`push` is not `tag`'),
    ],
    ['a property that it has not', { 'properties.toString': values(null) }, { kind: 'passes' }],
    ['a number by an expression', { 'properties.number': regex('^7$') }, { kind: 'passes' }],
    [
      'a list by an expression',
      { 'properties.labels': regex('a') },
      refused('properties.labels', '`["a"]` does not match /a/'),
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
