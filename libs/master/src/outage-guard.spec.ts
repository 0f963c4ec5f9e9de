import { describe, expect, it } from '@jest/globals';
import { OutageGuard } from './outage-guard.js';

describe('OutageGuard', () => {
  it.each([
    ['before any poll', [], 1000, false],
    ['when polls have worked for less than a lease', ['ok@0', 'ok@900'], 999, false],
    ['when polls have worked for a whole lease', ['ok@0', 'ok@900'], 1000, true],
    ['when a failure came in between', ['ok@0', 'ok@900', 'fail', 'ok@1100'], 2000, false],
    ['a whole lease after the failure', ['ok@0', 'fail', 'ok@1100'], 2100, true],
  ])('%s', (_name, events, nowMs, expected) => {
    const guard = new OutageGuard(1000);
    for (const event of events) {
      if (event === 'fail') guard.failed();
      else guard.worked(Number(event.split('@')[1]));
    }
    expect(guard.mayTakeOver(nowMs)).toBe(expected);
  });
});
