import { describe, expect, it } from '@jest/globals';
import { isWorkerName, workerEntries } from './worker-names.js';

describe('workerEntries', () => {
  it.each([
    ['linux-1', ['linux-1'], 'linux-1'],
    ['linux-1', ['linux-*'], 'linux-*'],
    ['linux-1', ['linux-*', 'linux-1'], 'linux-1'],
    ['linux-arm-1', ['linux-*', 'linux-arm-*', '*'], 'linux-arm-*'],
    ['windows-1', ['linux-*', '*'], '*'],
    ['windows-1', ['linux-*'], null],
    ['linux', ['linux-*'], null],
    ['linux-*', ['linux-1'], null],
    ['a', [], null],
  ])('%s among %j is %s', (name, entries, expected) => {
    expect(workerEntries(entries)(name)).toBe(expected);
  });
});

describe('isWorkerName', () => {
  it.each([
    ['linux-1', true],
    ['', false],
    ['a:b', false],
    ['a b', false],
    ['a/b', false],
    ['linux-*', false],
    ['x'.repeat(51), false],
    ['a\u001b[2J', false],
    ['a\u202eb', false],
  ])('%j: %s', (name, expected) => expect(isWorkerName(name)).toBe(expected));
});
