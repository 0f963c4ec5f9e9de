import { expect, it } from '@jest/globals';
import { graphOf } from './codebases.js';

it.each([
  [[5, 3, 1], [4, 3, 1], { common: 3, to1: [5], to2: [4] }],
  [[6, 5, 3, 1], [3, 1], { common: 3, to1: [5, 6], to2: [] }],
  [[3, 1], [3, 1], { common: 3, to1: [], to2: [] }],
  [[3, 1], [9, 8], null],
  [[], [3, 1], null],
])('%j and %j meet at %j', (first, second, graph) => expect(graphOf(first, second)).toEqual(graph));
