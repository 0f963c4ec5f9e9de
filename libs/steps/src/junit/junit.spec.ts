import { describe, expect, it } from '@jest/globals';
import type { CommandOutcome, StepContext, TestResultOptions } from '@millrace/config';
import { Result } from '@millrace/domain';
import { junit } from './junit.js';
import { readReport, REPORT_LIMITS } from './report.js';

const DONE: CommandOutcome = { rc: 0, failure: null, failureReason: null, cancelled: false, workerLost: false };
const GOOD = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites><testsuite name="s"><testsuite name="inner">
  <testcase classname="pkg.A" name="adds" time="0.25" file="a.py" line="12"/>
  <testcase classname="pkg.A" name="fails &amp; says so" time="1,000.5"><failure message="1 != 2" type="X">at a.py:3
<![CDATA[<more>]]></failure><system-out>not a message</system-out></testcase>
  <testcase name="broken"><error/></testcase>
  <testcase name="left out"><skipped/></testcase>
</testsuite></testsuite></testsuites>`;

describe('readReport', () => {
  it('reads every test, however its suites are nested', () => {
    expect(readReport(GOOD)).toEqual({
      passed: 1,
      failed: 2,
      skipped: 1,
      tests: [
        { name: 'pkg.A.adds', codePath: 'a.py', line: 12, durationNs: 250_000_000, value: true },
        {
          name: 'pkg.A.fails & says so',
          durationNs: 1_000_500_000_000,
          value: false,
          message: '1 != 2\nat a.py:3\n<more>',
        },
        { name: 'broken', value: false, message: '' },
      ],
    });
  });

  it.each([
    ['nothing', '', /empty/],
    ['no XML', 'tests passed: 3', /not a report of JUnit/],
    ['another document', '<html/>', /begins with <html>/],
    ['a report that was cut off', GOOD.slice(0, 200), /not a report of JUnit/],
    ['entities of its own', '<!DOCTYPE t [<!ENTITY a "aaaa">]><testsuite name="&a;"/>', /not a report of JUnit/],
    [
      'too much nesting',
      `${'<testsuite>'.repeat(REPORT_LIMITS.depth + 1)}${'</testsuite>'.repeat(REPORT_LIMITS.depth + 1)}`,
      /inside of each other/,
    ],
    [
      'too many tests',
      `<testsuite>${'<testcase name="a"/>'.repeat(REPORT_LIMITS.tests + 1)}</testsuite>`,
      /more than 50000 tests/,
    ],
  ])('refuses %s', (_what, text, why) => {
    expect(() => readReport(text)).toThrow(why);
  });

  it('cuts what a test says', () => {
    const long = `<testsuite><testcase name="${'n'.repeat(5000)}"><failure>${'m'.repeat(200_000)}</failure></testcase></testsuite>`;
    const [test] = readReport(long).tests;
    expect([test!.name!.length, test!.message!.length]).toEqual([
      REPORT_LIMITS.textCharacters,
      REPORT_LIMITS.messageCharacters,
    ]);
  });
});

describe('the step', () => {
  /** Runs it on a worker with these files. */
  async function run(files: Readonly<Record<string, string | null>>) {
    const recorded: TestResultOptions[] = [];
    const context = {
      render: (value: unknown) => Promise.resolve(value),
      renderPath: (value: unknown) => Promise.resolve(value),
      path: (...parts: string[]) => parts.join('/'),
      setState: () => undefined,
      command: () => Promise.resolve({ ...DONE, files: Object.keys(files) }),
      readFile: (file: string) => {
        const content = files[file];
        return Promise.resolve(
          content === null || content === undefined
            ? { outcome: { ...DONE, rc: 1, failureReason: 'no such file' }, content: null }
            : { outcome: DONE, content: Buffer.from(content) },
        );
      },
      testResults: () => ({
        add: (...results: TestResultOptions[]) => Promise.resolve(void recorded.push(...results)),
      }),
    };
    const outcome = await junit({ reports: 'reports/*.xml' }).run(context as unknown as StepContext);
    return { outcome, names: recorded.map(({ name }) => name) };
  }

  it.each([
    ['no reports', {}, Result.FAILURE, 'no reports: reports/*.xml', 0],
    ['good tests', { a: '<testsuite><testcase name="a"/></testsuite>' }, Result.SUCCESS, 'tests: 1 passed', 1],
    [
      'bad tests in the second report',
      { a: '<testsuite><testcase name="a"/></testsuite>', b: GOOD },
      Result.FAILURE,
      'tests: 2 failed, 2 passed, 1 skipped',
      4,
    ],
    ['a bad report', { a: GOOD, b: '<html/>' }, Result.FAILURE, /^b: not a report of JUnit/, 0],
    ['a file that cannot be read', { a: null }, Result.FAILURE, 'reading a (no such file)', 0],
  ])('with %s', async (_what, files, result, stateString, count) => {
    const { outcome, names } = await run(files);
    expect(outcome).toEqual({
      result,
      stateString: typeof stateString === 'string' ? stateString : (expect.stringMatching(stateString) as unknown),
    });
    expect(names).toHaveLength(count);
  });
});
