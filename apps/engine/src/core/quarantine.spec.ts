import { describe, expect, it } from '@jest/globals';
import { afterFailure, type WorkerFailure } from './quarantine.js';

describe('afterFailure', () => {
  it.each<[string, WorkerFailure, number, number | null, number, number]>([
    ['the first failed attach', 'attach', 0, null, 1, 10_000],
    ['the second', 'attach', 1, 20_000, 2, 20_000],
    ['the fourth', 'attach', 3, 50_000, 4, 80_000],
    ['the twentieth, no longer than ten minutes', 'attach', 19, 600_000, 20, 600_000],
    ['the ten-thousandth', 'attach', 9_999, 600_000, 10_000, 600_000],
    ['one that comes long after the last', 'attach', 5, 3_600_001, 1, 10_000],
    ['the first build that was lost at once', 'lost', 0, null, 1, 0],
    ['the second', 'lost', 1, 5_000, 2, 0],
    ['the third', 'lost', 2, 5_000, 3, 10_000],
    ['the fourth', 'lost', 3, 5_000, 4, 20_000],
    ['a loss after a failed attach', 'lost', 1, 5_000, 2, 0],
  ])('%s', (_what, kind, before, sinceLastMs, failures, quarantinedForMs) => {
    expect(afterFailure(kind, before, sinceLastMs)).toEqual({ failures, quarantinedForMs });
  });
});
