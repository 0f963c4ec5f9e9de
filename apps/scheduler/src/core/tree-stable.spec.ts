import { describe, expect, it } from '@jest/globals';
import { decideStable, type Waiting } from './tree-stable.js';

const waiting = (changeId: number, ageMs: number, group = 'main', important = true): Waiting => ({
  changeId,
  ageMs,
  group,
  important,
});

describe('decideStable', () => {
  it.each<[string, Waiting[], number[][], number | null]>([
    ['nothing waits', [], [], null],
    ['quiet for long enough', [waiting(1, 1000)], [[1]], null],
    ['not yet', [waiting(1, 400)], [], 600],
    ['a later change starts the wait again', [waiting(1, 1500), waiting(2, 300)], [], 700],
    ['several are built together', [waiting(1, 1500), waiting(2, 1200)], [[1, 2]], null],
    ['unimportant alone is not built', [waiting(1, 5000, 'main', false)], [], null],
    ['unimportant rides along', [waiting(1, 5000, 'main', false), waiting(2, 1000)], [[1, 2]], null],
    ['branches wait apart', [waiting(1, 1000, 'a'), waiting(2, 100, 'b'), waiting(3, 200, 'c')], [[1]], 800],
  ])('%s', (_name, changes, batches, againInMs) => {
    expect(decideStable(changes, 1000)).toEqual({ batches, againInMs, letGo: [] });
  });

  it.each<[string, Waiting[], number[]]>([
    ['there is room', [waiting(1, 1, 'a', false), waiting(2, 1, 'a', false)], []],
    ['no room', [waiting(1, 1, 'a', false), waiting(2, 1, 'b', false), waiting(3, 1, 'a', false)], [1, 3, 2]],
    ['no room, one rides along', [waiting(1, 1, 'a', false), waiting(2, 1, 'b', false), waiting(3, 1, 'a')], [2]],
  ])('lets unimportant changes go when they fill everything: %s', (_name, changes, letGo) => {
    expect(decideStable(changes, 1000, 3).letGo).toEqual(letGo);
  });
});
