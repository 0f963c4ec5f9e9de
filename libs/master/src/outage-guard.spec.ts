import { describe, expect, it } from '@jest/globals';
import { OutageGuard } from './outage-guard.js';

describe('OutageGuard', () => {
  it.each([
    ['before any poll', [], 1000, false],
    ['when polls have worked for less than a lease', ['ok@0', 'ok@400', 'ok@800'], 999, false],
    ['when polls have worked for a whole lease', ['ok@0', 'ok@400', 'ok@800'], 1000, true],
    ['when a failure came in between', ['ok@0', 'ok@400', 'fail', 'ok@600', 'ok@1000'], 1200, false],
    ['a whole lease after the failure', ['ok@0', 'fail', 'ok@600', 'ok@1000', 'ok@1400'], 1600, true],
    ['when it has stood still and not polled since', ['ok@0', 'ok@400', 'ok@800'], 9000, false],
    ['when it has stood still and polled once since', ['ok@0', 'ok@400', 'ok@800', 'ok@9000'], 9001, false],
    ['a whole lease after it stood still', ['ok@0', 'ok@9000', 'ok@9400', 'ok@9800'], 10_000, true],
  ])('%s', (_name, events, nowMs, expected) => {
    const guard = new OutageGuard(1000);
    for (const event of events) {
      if (event === 'fail') guard.failed();
      else guard.worked(Number(event.split('@')[1]));
    }
    expect(guard.mayTakeOver(nowMs)).toBe(expected);
  });
});
