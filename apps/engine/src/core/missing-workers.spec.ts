import { describe, expect, it } from '@jest/globals';
import { isMissing } from './missing-workers.js';

const HOUR = 3_600_000;

describe('isMissing', () => {
  it.each([
    ['away for as long as it may', HOUR, HOUR, HOUR, true],
    ['away for less', HOUR - 1, HOUR, 10 * HOUR, false],
    ['away for long, but the engine has only just come', 5 * HOUR, HOUR, 1000, false],
    ['the engine has been there long enough for every worker to come back', 5 * HOUR, HOUR, 120_000, true],
    ['a short timeout, judged by an engine that is no older', 2000, 2000, 2000, true],
    ['a short timeout, judged by a younger engine', 60_000, 2000, 1999, false],
  ])('%s', (_what, absentForMs, missingTimeoutMs, engineUpMs, expected) => {
    expect(isMissing({ absentForMs, missingTimeoutMs }, engineUpMs)).toBe(expected);
  });
});
