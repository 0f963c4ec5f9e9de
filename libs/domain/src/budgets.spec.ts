import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Budgets } from './budgets.js';

describe('Budgets', () => {
  it.each<[string, [string, number][], number[]]>([
    [
      'a burst, and then says how long to wait',
      [
        ['a', 0],
        ['a', 0],
        ['a', 0],
        ['a', 50],
      ],
      [0, 0, 100, 50],
    ],
    [
      'again what has come in meanwhile',
      [
        ['a', 0],
        ['a', 0],
        ['a', 100],
        ['a', 100],
      ],
      [0, 0, 0, 100],
    ],
    [
      'never more than the burst',
      [
        ['a', 0],
        ['a', 9_000],
        ['a', 9_000],
        ['a', 9_000],
      ],
      [0, 0, 0, 100],
    ],
    [
      'to each its own',
      [
        ['a', 0],
        ['a', 0],
        ['b', 0],
        ['a', 0],
      ],
      [0, 0, 0, 100],
    ],
  ])('gives %s', (_name, spendings, expected) => {
    const budgets = new Budgets({ perSecond: 10, burst: 2, most: 100 });
    expect(spendings.map(([key, atMs]) => budgets.spend(key, atMs))).toEqual(expected);
  });

  it('remembers so many keys and no more, those that spent last', () => {
    const budgets = new Budgets({ perSecond: 1, burst: 1, most: 2 });
    for (const key of ['a', 'b', 'c']) budgets.spend(key, 0);
    expect(budgets.size).toBe(2);
    expect(['b', 'c', 'a'].map((key) => budgets.spend(key, 0))).toEqual([1000, 1000, 0]);
  });

  it('never lets more through than the burst and what comes in', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(300), { maxLength: 200 }), (pauses) => {
        const budgets = new Budgets({ perSecond: 10, burst: 5, most: 10 });
        let nowMs = 0;
        let passed = 0;
        for (const pauseMs of pauses) {
          nowMs += pauseMs;
          if (budgets.spend('a', nowMs) === 0) passed++;
        }
        expect(passed).toBeLessThanOrEqual(5 + nowMs / 100);
      }),
    );
  });
});
