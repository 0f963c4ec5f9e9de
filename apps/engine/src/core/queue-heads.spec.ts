import { describe, expect, it } from '@jest/globals';
import type { Head } from './distribution.js';
import { areAllOf, type QueueFigures } from './queue-heads.js';

const head = (requestId: number, rank = 0): Head => ({ requestId, builderId: 1, rank });

describe('heads in memory', () => {
  it.each<[string, Head[], QueueFigures, boolean]>([
    ['all of a queue', [head(2, -1), head(1), head(3)], { requests: 3, newest: 3, ranks: -1 }, true],
    ['one was queued since', [head(1)], { requests: 2, newest: 2, ranks: 0 }, false],
    ['one was given back', [head(3)], { requests: 2, newest: 3, ranks: 0 }, false],
    ['one was taken and another queued', [head(1), head(2)], { requests: 2, newest: 3, ranks: 0 }, false],
    ['one has another priority', [head(1), head(2)], { requests: 2, newest: 2, ranks: -5 }, false],
    ['the queue is longer than what is kept', [head(1), head(2)], { requests: 200, newest: 200, ranks: 0 }, false],
    ['nothing is known', [], { requests: 1, newest: 1, ranks: 0 }, false],
  ])('%s', (_name, heads, figures, expected) => {
    expect(areAllOf(heads, figures)).toBe(expected);
  });
});
