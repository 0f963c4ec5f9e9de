import { describe, expect, it } from '@jest/globals';
import { PerMinute } from './per-minute.js';

describe('PerMinute', () => {
  it('lets a limited number through each minute, and returns how many it held back', () => {
    const limit = new PerMinute(2);
    expect([0, 1, 2, 59_999].map((ms) => limit.pass(ms))).toEqual([0, 0, null, null]);
    expect([60_000, 60_001, 60_002].map((ms) => limit.pass(ms))).toEqual([2, 0, null]);
    expect(limit.pass(1e9)).toBe(1);
  });
});
