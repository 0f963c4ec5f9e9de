import { describe, expect, it } from '@jest/globals';
import { type ThreadDemand, threadsToStart } from './thread-starts.js';

const demand = (fingerprint: string, parts: Partial<ThreadDemand> = {}): ThreadDemand => ({
  fingerprint,
  wanted: 0,
  idle: 0,
  starting: 0,
  isCompiled: true,
  ...parts,
});

describe('threadsToStart', () => {
  it.each<[string, readonly ThreadDemand[], readonly string[]]>([
    ['nothing without demand', [], []],
    ['what is missing', [demand('a', { wanted: 3, idle: 1 })], ['a', 'a']],
    ['nothing where threads are idle', [demand('a', { wanted: 1, idle: 2 })], []],
    ['nothing where enough are starting', [demand('a', { wanted: 2, starting: 2 })], []],
    ['no more at a time than there is room for', [demand('a', { wanted: 500 })], ['a', 'a', 'a', 'a']],
    ['as many as have become ready meanwhile', [demand('a', { wanted: 499, starting: 3 })], ['a']],
    [
      'those of the first configuration first',
      [demand('a', { wanted: 3 }), demand('b', { wanted: 3 })],
      ['a', 'a', 'a', 'b'],
    ],
    [
      'none where another configuration takes the room',
      [demand('a', { wanted: 9, starting: 4 }), demand('b', { wanted: 1 })],
      [],
    ],
    ['the first of a configuration alone', [demand('a', { wanted: 9, isCompiled: false })], ['a']],
    ['no second one until the first is ready', [demand('a', { wanted: 9, starting: 1, isCompiled: false })], []],
    [
      'the first of a configuration also without room',
      [demand('a', { wanted: 9, starting: 4 }), demand('b', { wanted: 1, isCompiled: false })],
      ['b'],
    ],
    [
      'others while the first of a configuration never becomes ready',
      [demand('b', { wanted: 1, starting: 1, isCompiled: false }), demand('a', { wanted: 2 })],
      ['a', 'a'],
    ],
  ])('starts %s', (_what, demands, expected) => {
    expect(threadsToStart(demands, 4)).toEqual(expected);
  });
});
