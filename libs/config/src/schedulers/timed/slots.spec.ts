import { describe, expect, it } from '@jest/globals';
import { isSlot, isTimeZone, nextSlot, problemOfCron, type Slots } from './slots.js';

const cron = (pattern: string, timeZone = 'UTC'): Slots => ({ kind: 'cron', pattern, timeZone });
const following = (slots: Slots, after: string, count: number): (string | null)[] => {
  const found: (string | null)[] = [];
  for (let at: number | null = Date.parse(after); found.length < count && at !== null;) {
    at = nextSlot(slots, at);
    found.push(at === null ? null : new Date(at).toISOString().slice(0, 16));
  }
  return found;
};

describe('nextSlot', () => {
  const berlin = 'Europe/Berlin';
  const newYork = 'America/New_York';
  it.each<[string, Slots, string, (string | null)[]]>([
    ['every ten minutes', { kind: 'every', everyMs: 600_000 }, '2026-03-01T10:09:59Z', ['2026-03-01T10:10']],
    ['the slot after a slot', { kind: 'every', everyMs: 600_000 }, '2026-03-01T10:10:00Z', ['2026-03-01T10:20']],
    ['every hour', cron('0 * * * *'), '2026-03-01T10:00:00Z', ['2026-03-01T11:00', '2026-03-01T12:00']],
    ['the last day of a month', cron('0 3 L * *'), '2026-02-01T00:00:00Z', ['2026-02-28T03:00', '2026-03-31T03:00']],
    ['the second Monday', cron('0 3 * * MON#2'), '2026-02-01T00:00:00Z', ['2026-02-09T03:00', '2026-03-09T03:00']],
    ['the last Friday', cron('0 3 * * 5#L'), '2026-02-01T00:00:00Z', ['2026-02-27T03:00', '2026-03-27T03:00']],
    [
      'a day of the month or of the week',
      cron('0 3 3 * SUN'),
      '2026-02-01T12:00:00Z',
      ['2026-02-03T03:00', '2026-02-08T03:00'],
    ],
    [
      'names, ranges, lists',
      cron('5,10 2 * JAN-FEB MON-FRI'),
      '2026-02-27T02:05:00Z',
      ['2026-02-27T02:10', '2027-01-01T02:05'],
    ],
    ['no time at all', cron('0 0 31 2 *'), '2026-02-01T00:00:00Z', [null]],
    [
      'Berlin, a time that does not exist',
      cron('30 2 * * *', berlin),
      '2026-03-28T12:00:00Z',
      ['2026-03-29T01:00', '2026-03-30T00:30'],
    ],
    [
      'Berlin, a time that exists twice',
      cron('30 2 * * *', berlin),
      '2026-10-24T12:00:00Z',
      ['2026-10-25T00:30', '2026-10-26T01:30'],
    ],
    ['Berlin, between the two', cron('30 2 * * *', berlin), '2026-10-25T00:45:00Z', ['2026-10-26T01:30']],
    [
      'Berlin, every hour over the end of summer',
      cron('0 * * * *', berlin),
      '2026-10-24T23:30:00Z',
      ['2026-10-25T00:00', '2026-10-25T01:00', '2026-10-25T02:00'],
    ],
    [
      'New York, a time that does not exist',
      cron('30 2 * * *', newYork),
      '2026-03-07T12:00:00Z',
      ['2026-03-08T07:00', '2026-03-09T06:30'],
    ],
    [
      'New York, a time that exists twice',
      cron('30 1 * * *', newYork),
      '2026-10-31T12:00:00Z',
      ['2026-11-01T05:30', '2026-11-02T06:30'],
    ],
    ['New York, between the two', cron('30 1 * * *', newYork), '2026-11-01T05:45:00Z', ['2026-11-02T06:30']],
  ])('finds %s', (_what, slots, after, expected) => {
    expect(following(slots, after, expected.length)).toEqual(expected);
  });

  it('finds each slot from itself, and nothing else', () => {
    const slots = cron('30 2 * * *', berlin);
    const at = nextSlot(slots, Date.parse('2026-10-24T12:00:00Z'))!;
    expect([isSlot(slots, at), isSlot(slots, at + 3_600_000), isSlot(slots, at + 1)]).toEqual([true, false, false]);
  });
});

describe('problemOfCron', () => {
  it.each([
    ['60 * * * *', /minute/],
    ['* * *', /5 parts|five/],
    ['* * * * * *', /5 parts/],
    ['0 0 31 2 *', /no such time/],
  ])('refuses %s', (pattern, problem) => {
    expect(problemOfCron(pattern, 'UTC')).toMatch(problem);
  });
  it('lets a good one pass', () => {
    expect(problemOfCron('*/5 1-3 * * MON#1', 'Asia/Tokyo')).toBeNull();
  });
});

it('knows time zones', () => {
  expect(['UTC', 'Europe/Berlin', 'Mars/Base'].map(isTimeZone)).toEqual([true, true, false]);
});
