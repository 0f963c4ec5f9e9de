import { spawnSync } from 'node:child_process';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { shellWord } from './shell-words.js';

describe('shellWord', () => {
  it.each([
    ['linux-1', 'linux-1'],
    ['', "''"],
    ['x;id', "'x;id'"],
    ["it's", "'it'\\''s'"],
    ['$(id)', "'$(id)'"],
  ])('%s', (text, expected) => {
    expect(shellWord(text)).toBe(expected);
  });

  it('is read back by a real shell as the same word', () => {
    const words = fc.array(
      fc.string({ unit: 'grapheme' }).filter((word) => !word.includes('\0')),
      { minLength: 1 },
    );
    fc.assert(
      fc.property(words, (given) => {
        const { stdout } = spawnSync('/bin/sh', ['-c', `printf '%s\\0' ${given.map(shellWord).join(' ')}`]);
        expect(stdout.toString('utf8').split('\0').slice(0, -1)).toEqual(given);
      }),
      { numRuns: 50 },
    );
  });
});
