import { describe, expect, it } from '@jest/globals';
import { UserError } from '@millrace/domain';
import { covers, isTopic, parseWire } from './topics.js';

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
  it.each(['', '.', 'a.', '.a', 'a..b', 'a b', 'a.*', '>', 'a#', 'a'.repeat(501), 7, null])('refuses %p', (value) => {
    expect(isTopic(value)).toBe(false);
  });
});

describe('parseWire', () => {
  it("accepts a hint's payload", () => {
    expect(parseWire('[36,1,2,{},[{"buildid":1}]]')).toEqual([36, 1, 2, {}, [{ buildid: 1 }]]);
  });

  it.each([
    ['deep JSON', `${'['.repeat(30_000)}${']'.repeat(30_000)}`],
    ['many values', `[${'1,'.repeat(20_000)}1]`],
    ['a long text', `"${'x'.repeat(1 << 20)}"`],
    ['no JSON', '{'],
    ['nothing', ''],
  ])('refuses %s', (_what, text) => {
    expect(() => parseWire(text)).toThrow(UserError);
  });
});
