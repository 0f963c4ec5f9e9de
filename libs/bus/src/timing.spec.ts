import { describe, expect, it } from '@jest/globals';
import { retryDelayMs } from './timing.js';

describe('retryDelayMs', () => {
  const backoff = { minMs: 100, maxMs: 1_000 };

  it.each([
    [0, 50, 100],
    [1, 100, 200],
    [3, 400, 800],
    [4, 500, 1_000],
    [5_000, 500, 1_000],
  ])('after %d failures lies from %d to %d', (failures, least, most) => {
    expect(retryDelayMs(failures, backoff, () => 0)).toBe(least);
    expect(retryDelayMs(failures, backoff, () => 1)).toBe(most);
  });
});
