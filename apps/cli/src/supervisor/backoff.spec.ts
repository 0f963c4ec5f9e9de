import { describe, expect, it } from '@jest/globals';
import { Backoff } from './backoff.js';

describe('Backoff', () => {
  it('doubles up to the maximum', () => {
    const backoff = new Backoff(100, 1000, 5000);
    expect([0, 0, 0, 0, 0, 0].map((ranMs) => backoff.ended(ranMs))).toEqual([100, 200, 400, 800, 1000, 1000]);
  });

  it('starts again from the minimum after a process that ran well', () => {
    const backoff = new Backoff(100, 1000, 5000);
    backoff.ended(0);
    backoff.ended(0);
    expect(backoff.ended(5000)).toBe(100);
    expect(backoff.ended(0)).toBe(200);
  });
});
