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
    expect(decideStable(changes, 1000)).toEqual({ batches, againInMs });
  });
});
