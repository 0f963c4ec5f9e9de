import { describe, expect, it } from '@jest/globals';
import { rateLimitMs } from './rate-limit.js';

const NOW_MS = 1_800_000_000_000;
const inSeconds = (seconds: number): string => String(NOW_MS / 1000 + seconds);

describe('rateLimitMs', () => {
  it.each<[string, number, Record<string, string>, number | null]>([
    ['requests left', 200, { 'x-ratelimit-remaining': '12' }, null],
    ['no word of it', 200, {}, null],
    ['the last request', 200, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': inSeconds(90) }, 90_000],
    ['a refusal of GitHub', 403, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': inSeconds(90) }, 90_000],
    ['a second limit of GitHub', 403, { 'retry-after': '30', 'x-ratelimit-remaining': '50' }, 30_000],
    ['a refusal for another reason', 403, { 'x-ratelimit-remaining': '50' }, null],
    ['a refusal of GitLab', 429, { 'ratelimit-remaining': '0', 'ratelimit-reset': inSeconds(40) }, 40_000],
    ['a refusal without a time', 429, {}, 60_000],
    ['a time that is over', 429, { 'ratelimit-reset': inSeconds(-5) }, 1000],
    ['a time that is far away', 429, { 'retry-after': '999999' }, 3_600_000],
    ['a date, which is not read', 429, { 'retry-after': 'Wed, 21 Oct 2026 07:28:00 GMT' }, 60_000],
  ])('reads %s', (_what, status, headers, expected) => {
    expect(rateLimitMs(status, (name) => headers[name] ?? null, NOW_MS)).toBe(expected);
  });
});
