/** What a set of test results tells of each test, in Buildbot's words. */
export const TEST_CATEGORIES = [
  'pass_fail',
  'pass_only',
  'fail_only',
  'code_issue',
  'performance',
  'binary_size',
  'memory_use',
  'free',
] as const;
export type TestCategory = (typeof TEST_CATEGORIES)[number];

/** The result of one test. */
export interface TestResult {
  /** Null where only a place in the code is known. */
  readonly name: string | null;
  readonly codePath: string | null;
  readonly line: number | null;
  readonly durationNs: number | null;
  /** In the unit of its set. In a set `pass_fail` it is a number, and 0 stands for a failure. */
  readonly value: string;
  /** What the test says about a failure. */
  readonly message: string | null;
}

/** How many tests of a set passed and failed; null where its category does not tell. */
export interface TestCounts {
  readonly passed: number | null;
  readonly failed: number | null;
}

/** Counts the results of a set. */
export function countTests(category: TestCategory, results: readonly Pick<TestResult, 'value'>[]): TestCounts {
  switch (category) {
    case 'pass_fail': {
      const failed = results.filter(({ value }) => !isPass(value)).length;
      return { passed: results.length - failed, failed };
    }
    case 'pass_only':
      return { passed: results.length, failed: null };
    case 'fail_only':
      return { passed: null, failed: results.length };
    default:
      return { passed: null, failed: null };
  }
}

/** Whether a value of a set `pass_fail` stands for a test that passed. */
export function isPass(value: string): boolean {
  return /^\s*[+-]?\d*[1-9]\d*\s*$/.test(value);
}
