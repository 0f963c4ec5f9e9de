import { describe, expect, it } from '@jest/globals';
import { dropLines, firstPiece, prefixLines, wholeLines } from './log-text.js';

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

describe('firstPiece', () => {
  it.each([
    ['', ''],
    ['abcd', 'abcd'],
    ['abcde', 'abcd'],
    ['ab\ncdef\n', 'ab\n'],
    ['abc\ndef', 'abc\n'],
    ['a\nb\nc\nd', 'a\nb\n'],
    ['abc😀', 'abc'],
    ['ab😀c', 'ab😀'],
  ])('of %j is %j', (text, expected) => {
    expect(firstPiece(text, 4)).toBe(expected);
  });
});

describe('dropLines', () => {
  it.each([
    [0, 'a\nb\n', 'a\nb\n'],
    [1, 'a\nb\n', 'b\n'],
    [2, 'a\nb\n', ''],
    [3, 'a\nb\n', ''],
    [1, '\nb\n', 'b\n'],
  ])('%d of %j', (count, text, expected) => {
    expect(dropLines(text, count)).toBe(expected);
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
