import { describe, expect, it } from '@jest/globals';
import { ago, dateTime, duration, isoTime, NO_DATE, shortRevision, timeOfDay } from './format.js';

const NOW = 1_795_000_000;

describe('a date that no calendar has', () => {
  it.each([1_795_795_447_000_000, 18_446_744_073_709_551_615, Number.NaN, -1e15])('%s is shown so', (at) => {
    expect([dateTime(at), ago(at, NOW), timeOfDay(at)]).toEqual([NO_DATE, NO_DATE, NO_DATE]);
    expect(isoTime(at)).toBeUndefined();
  });
});

describe('ago', () => {
  it.each([
    [NOW - 5, 'just now'],
    [NOW - 59, '59 s ago'],
    [NOW - 3600, '1 h ago'],
    [NOW + 3000, 'just now'],
  ])('%s is %s', (at, text) => expect(ago(at, NOW)).toBe(text));

  it('shows the date of a distant time', () => expect(ago(253_402_300_799, NOW)).toMatch(/9999|10000/));
});

describe('duration', () => {
  it.each([
    [-3600, '0 s'],
    [8, '8 s'],
    [125, '2 min 05 s'],
  ])('of %s seconds is %s', (seconds, text) => expect(duration(seconds)).toBe(text));
});

describe('shortRevision', () => {
  it.each([
    ['a'.repeat(40), 'a'.repeat(10)],
    ['b'.repeat(64), 'b'.repeat(10)],
    ['r1234', 'r1234'],
  ])('of %s is %s', (revision, text) => expect(shortRevision(revision)).toBe(text));
});
