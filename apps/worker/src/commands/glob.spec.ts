import { describe, expect, it } from '@jest/globals';
import { nameMatcher } from './glob.js';

describe('nameMatcher', () => {
  it.each([
    ['*.txt', ['a.txt', '.txt', 'a\nb.txt'], ['a.txtx', 'atxt']],
    ['a?c', ['abc', 'a😀c'], ['ac', 'abbc']],
    ['[a-c]1', ['a1', 'c1'], ['d1', '-1']],
    ['[!a-c]1', ['d1'], ['a1']],
    ['[]x]1', [']1', 'x1'], ['y1']],
    ['[^x]1', ['^1', 'x1'], ['y1']],
    ['[x', ['[x'], ['x']],
    ['a.b(c)+$', ['a.b(c)+$'], ['axb(c)+$']],
    ['[\\]1', ['\\1'], ['1']],
  ])('%s', (pattern, matching, others) => {
    const matcher = nameMatcher(pattern);
    expect(matching.filter((name) => !matcher.test(name))).toEqual([]);
    expect(others.filter((name) => matcher.test(name))).toEqual([]);
  });
});
