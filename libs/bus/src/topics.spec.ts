import { describe, expect, it } from '@jest/globals';
import { covers, isTopic } from './topics.js';

describe('covers', () => {
  it.each([
    ['', 'builds.1', true],
    ['builds', 'builds', true],
    ['builds', 'builds.1', true],
    ['builds', 'buildsets.1', false],
    ['builds.1', 'builds', false],
    ['builds.1', 'builds.12', false],
  ])("'%s' covers '%s': %s", (prefix, topic, expected) => {
    expect(covers(prefix, topic)).toBe(expected);
  });
});

describe('isTopic', () => {
  it.each(['', '.', 'a.', '.a', 'a..b', 'a b', 'a.*', '>', 'a#', 7, null])('refuses %p', (value) => {
    expect(isTopic(value)).toBe(false);
  });
});
