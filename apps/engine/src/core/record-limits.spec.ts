import { describe, expect, it } from '@jest/globals';
import type { TestResult } from '@millrace/domain';
import { RECORD_LIMITS, RecordLimits, type TestSet } from './record-limits.js';

const SET: TestSet = { ordinal: 0, description: 'unit tests', category: 'pass_fail', valueUnit: 'boolean' };
const PASSED: TestResult = { name: 'a', codePath: null, line: null, durationNs: 12, value: '1', message: null };
const DATA = { name: 'coverage', source: 'gcov', bytes: 10 };

describe('RecordLimits', () => {
  it('counts the results of each set from 0', () => {
    const limits = new RecordLimits();
    expect(limits.addTests(1, SET, [PASSED, PASSED])).toBe(0);
    expect(limits.addTests(1, SET, [PASSED])).toBe(2);
    expect(limits.addTests(1, { ...SET, ordinal: 1 }, [PASSED])).toBe(0);
    expect(limits.addTests(1, SET, [])).toBe(3);
  });

  it.each<[string, unknown, unknown]>([
    ['a category that there is not', { ...SET, category: 'odd' }, []],
    ['a unit that is no word', { ...SET, valueUnit: 'm s' }, []],
    ['a long description', { ...SET, description: 'x'.repeat(RECORD_LIMITS.testCharacters + 1) }, []],
    ['an ordinal that is none', { ...SET, ordinal: -1 }, []],
    ['too many at once', SET, Array<TestResult>(RECORD_LIMITS.testBatch + 1).fill(PASSED)],
    ['a test without a name', SET, [{ ...PASSED, name: null }]],
    ['a name that is no text', SET, [{ ...PASSED, name: 7 }]],
    ['a long name', SET, [{ ...PASSED, name: 'x'.repeat(RECORD_LIMITS.testCharacters + 1) }]],
    ['a long message', SET, [{ ...PASSED, message: 'x'.repeat(RECORD_LIMITS.testMessageCharacters + 1) }]],
    ['a line that is none', SET, [{ ...PASSED, line: 1.5 }]],
    ['a negative duration', SET, [{ ...PASSED, durationNs: -1 }]],
  ])('refuses %s', (_what, set, results) => {
    const limits = new RecordLimits();
    expect(() => limits.addTests(1, set as TestSet, results as TestResult[])).toThrow(
      expect.objectContaining({ code: 'step-limit' }),
    );
  });

  it('refuses more sets, and more results, than a build may have', () => {
    const limits = new RecordLimits();
    for (let ordinal = 0; ordinal < RECORD_LIMITS.testSets; ordinal++)
      limits.addTests(1, { ...SET, ordinal }, Array<TestResult>(RECORD_LIMITS.testBatch).fill(PASSED));
    expect(() => limits.addTests(2, SET, [])).toThrow(/one too many/);
    expect(() => limits.addTests(1, SET, [PASSED])).toThrow(/100001 test results/);
  });

  it.each([
    ['a name with spaces around it', { ...DATA, name: 'x ' }],
    ['no name', { ...DATA, name: '' }],
    ['a long name', { ...DATA, name: 'x'.repeat(RECORD_LIMITS.dataNameCharacters + 1) }],
    ['no source', { ...DATA, source: '' }],
    ['a large value', { ...DATA, bytes: RECORD_LIMITS.dataBytes + 1 }],
  ])('refuses data with %s', (_what, data) => {
    expect(() => new RecordLimits().addData(data)).toThrow(expect.objectContaining({ code: 'step-limit' }));
  });

  it('refuses more data than a build may have', () => {
    const many = new RecordLimits();
    for (let i = 0; i < RECORD_LIMITS.data; i++) many.addData({ ...DATA, name: `d${i}` });
    many.addData({ ...DATA, name: 'd0' });
    expect(() => many.addData(DATA)).toThrow(/one too many/);
    const large = new RecordLimits();
    for (let i = 0; i < 8; i++) large.addData({ ...DATA, bytes: RECORD_LIMITS.dataBytes });
    expect(() => large.addData(DATA)).toThrow(/33554442 bytes/);
  });
});
