import { printable, TEST_CATEGORIES, type TestCategory, type TestResult, UserError } from '@millrace/domain';
import { overStepLimit } from './step-limits.js';

/** Limits of what the steps of a build record beside their logs. */
export const RECORD_LIMITS = {
  /** Values that a build stores under names of their own. */
  data: 100,
  dataNameCharacters: 190,
  dataSourceCharacters: 190,
  dataBytes: 4 << 20,
  /** All values of a build together, replaced ones counted as well. */
  allDataBytes: 32 << 20,
  testSets: 100,
  /** Results in one call. */
  testBatch: 1000,
  /** Results of all sets of a build. */
  tests: 100_000,
  testCharacters: 1000,
  testMessageCharacters: 10_000,
  /** Texts of all results of a build together. */
  allTestCharacters: 32 << 20,
} as const;

/** What a set of test results is about, as a step said it. */
export interface TestSet {
  readonly ordinal: number;
  readonly description: string | null;
  readonly category: TestCategory;
  readonly valueUnit: string;
}

/** Checks and counts what the steps of one build record. A step can send anything, so nothing is taken for granted. */
export class RecordLimits {
  private readonly dataNames = new Set<string>();
  private dataBytes = 0;
  private readonly sets = new Map<string, number>();
  private tests = 0;
  private testCharacters = 0;

  /**
   * Counts a value of a build.
   * @throws UserError `step-limit`
   */
  addData({ name, source, bytes }: { readonly name: string; readonly source: string; readonly bytes: number }): void {
    const { data, dataNameCharacters, dataSourceCharacters, dataBytes, allDataBytes } = RECORD_LIMITS;
    checkName('data of a build', name, dataNameCharacters);
    checkName('a source of data', source, dataSourceCharacters);
    const what = `the data '${printable(name, 40)}' of the build`;
    if (bytes > dataBytes) throw overStepLimit(`${what} has ${bytes} bytes`, dataBytes);
    if (!this.dataNames.has(name) && this.dataNames.size >= data) throw overStepLimit(`${what} is one too many`, data);
    if (this.dataBytes + bytes > allDataBytes)
      throw overStepLimit(
        `the data of the build has ${this.dataBytes + bytes} bytes with '${printable(name, 40)}'`,
        allDataBytes,
      );
    this.dataNames.add(name);
    this.dataBytes += bytes;
  }

  /**
   * Counts results of a set, and returns how many the set had before.
   * @throws UserError `step-limit`
   */
  addTests(step: number, set: TestSet, results: readonly TestResult[]): number {
    const { testSets, testBatch, tests, testCharacters, allTestCharacters } = RECORD_LIMITS;
    if (!TEST_CATEGORIES.includes(set.category))
      throw badRecord(
        `'${printable(String(set.category), 40)}' is no category of test results: expected ${TEST_CATEGORIES.join(', ')}`,
      );
    if (!/^[A-Za-z]{1,32}$/.test(set.valueUnit))
      throw badRecord(
        `'${printable(String(set.valueUnit), 40)}' is no unit of test results: expected a word like boolean, ms or B`,
      );
    if (set.description !== null) checkText('the description of test results', set.description, testCharacters);
    checkCount('the ordinal of a set', set.ordinal);
    if (results.length > testBatch) throw overStepLimit(`${results.length} test results in one call`, testBatch);
    const key = `${step}/${set.ordinal}`;
    const before = this.sets.get(key) ?? 0;
    if (before === 0 && !this.sets.has(key) && this.sets.size >= testSets)
      throw overStepLimit(`a set of test results is one too many for its build`, testSets);
    if (this.tests + results.length > tests)
      throw overStepLimit(`${this.tests + results.length} test results of a build`, tests);
    let characters = 0;
    for (const result of results) characters += checkedCharacters(result);
    if (this.testCharacters + characters > allTestCharacters)
      throw overStepLimit(
        `the texts of a build's test results have ${this.testCharacters + characters} characters`,
        allTestCharacters,
      );
    this.sets.set(key, before + results.length);
    this.tests += results.length;
    this.testCharacters += characters;
    return before;
  }
}

/** Checks a result, and returns how many characters it has. */
function checkedCharacters({ name, codePath, line, durationNs, value, message }: TestResult): number {
  const { testCharacters, testMessageCharacters } = RECORD_LIMITS;
  if (name === null && codePath === null) throw badRecord('a test result has neither a name nor a path');
  if (name !== null) checkText('the name of a test', name, testCharacters);
  if (codePath !== null) checkText('the path of a test', codePath, testCharacters);
  checkText('the value of a test', value, testCharacters);
  if (message !== null) checkText('the message of a test', message, testMessageCharacters);
  if (line !== null) checkCount('the line of a test', line);
  if (durationNs !== null) checkCount('the duration of a test, in ns,', durationNs);
  return (name?.length ?? 0) + (codePath?.length ?? 0) + value.length + (message?.length ?? 0);
}

function checkName(what: string, name: unknown, maxCharacters: number): void {
  if (typeof name !== 'string' || name.trim() !== name || name === '' || /\p{Cc}/u.test(name))
    throw badRecord(
      `'${printable(String(name), 40)}' is no name for ${what}: expected characters, and no spaces around them`,
    );
  if (name.length > maxCharacters)
    throw overStepLimit(`a name for ${what} has ${name.length} characters`, maxCharacters);
}

function checkText(what: string, text: unknown, maxCharacters: number): void {
  if (typeof text !== 'string') throw badRecord(`${what} is '${printable(String(text), 40)}': expected a text`);
  if (text.length > maxCharacters) throw overStepLimit(`${what} has ${text.length} characters`, maxCharacters);
}

function checkCount(what: string, count: unknown): void {
  if (!Number.isSafeInteger(count) || (count as number) < 0)
    throw badRecord(`${what} is ${printable(String(count), 40)}: expected a whole number from 0`);
}

function badRecord(message: string): UserError {
  return new UserError('step-limit', message);
}
