import { describe, expect, it } from '@jest/globals';
import { countTests, type TestCategory } from './test-results.js';

describe('countTests', () => {
  it.each<[TestCategory, string[], number | null, number | null]>([
    ['pass_fail', ['1', '0', '1', '-1', ' 10 '], 4, 1],
    ['pass_fail', ['', 'yes', '1.5', '00'], 0, 4],
    ['pass_fail', [], 0, 0],
    ['pass_only', ['0', '1'], 2, null],
    ['fail_only', ['0', 'message'], null, 2],
    ['performance', ['12'], null, null],
    ['code_issue', ['unused variable'], null, null],
  ])('%s %j: %s passed, %s failed', (category, values, passed, failed) => {
    const results = values.map((value) => ({ value }));
    expect(countTests(category, results)).toEqual({ passed, failed });
  });
});
