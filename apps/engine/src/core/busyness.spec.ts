import { expect, it } from '@jest/globals';
import { Busyness } from './busyness.js';

it.each([
  [
    'burns CPU',
    [
      [0, 500],
      [0, 590],
      [0, 600],
    ],
    [false, false, true],
  ],
  [
    'burns what little it gets',
    [
      [0, 500],
      [0, 540],
      [0, 580],
      [0, 620],
    ],
    [false, false, false, true],
  ],
  [
    'waits for a core',
    [
      [0, 500],
      [0, 503],
      [0, 504],
    ],
    [false, false, false],
  ],
  [
    'burns CPU between turns of its loop',
    [
      [0, 500],
      [300, 700],
      [600, 900],
    ],
    [false, false, false],
  ],
] as const)('a thread that %s', (_what, seen, expected) => {
  const busyness = new Busyness();
  expect(seen.map(([sinceMs, cpuMs]) => busyness.isBusy({ sinceMs, cpuMs }))).toEqual(expected);
});
