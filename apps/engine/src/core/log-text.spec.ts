import { describe, expect, it } from '@jest/globals';
import { prefixLines, wholeLines } from './log-text.js';

describe('prefixLines', () => {
  it.each([
    ['', ''],
    ['\n', 'o\n'],
    ['a\n', 'oa\n'],
    ['a\nb\n', 'oa\nob\n'],
    ['a\n\nb\n', 'oa\no\nob\n'],
  ])('%j', (text, expected) => {
    expect(prefixLines('o', text)).toBe(expected);
  });
});

describe('wholeLines', () => {
  it.each([
    ['', ''],
    ['a', 'a\n'],
    ['a\n', 'a\n'],
  ])('%j', (text, expected) => {
    expect(wholeLines(text)).toBe(expected);
  });
});
