import { printable, UserError } from '@millrace/domain';
import type { TestResultOptions } from '@millrace/config';
import sax from 'sax';

/** Limits of one report. */
export const REPORT_LIMITS = {
  depth: 50,
  tests: 50_000,
  /** Names and paths are cut after this many characters. */
  textCharacters: 1000,
  messageCharacters: 10_000,
} as const;

export interface Report {
  readonly tests: readonly TestResultOptions[];
  readonly passed: number;
  readonly failed: number;
  /** Number of tests that were not run. They have no result. */
  readonly skipped: number;
}

interface OpenTest {
  readonly name: string;
  readonly codePath: string;
  readonly line: number;
  readonly durationNs: number;
  /** Null while nothing has failed. */
  message: string | null;
  isSkipped: boolean;
}

/**
 * Reads a report in the form of JUnit: every `testcase`, however its suites are nested. Entities of the report's own are refused, so a report
 * cannot grow while it is read.
 * @throws UserError `bad-report`
 */
export function readReport(text: string): Report {
  const tests: TestResultOptions[] = [];
  let skipped = 0;
  let failed = 0;
  let isReport = false;
  let depth = 0;
  let test: OpenTest | null = null;
  let isInFailure = false;
  const parser = sax.parser(true);
  parser.onerror = (error) => {
    throw badReport(error.message.split('\n')[0]!);
  };
  parser.onopentag = ({ name, attributes }) => {
    if (++depth > REPORT_LIMITS.depth)
      throw badReport(`more than ${REPORT_LIMITS.depth} elements inside of each other`);
    if (depth === 1 && !/^testsuites?$/.test(name))
      throw badReport(`begins with <${printable(name, 40)}>, not with <testsuites> or <testsuite>`);
    isReport = true;
    if (name === 'testcase') test = testOf(attributes as Record<string, string>);
    else if (test && name === 'skipped') test.isSkipped = true;
    else if (test && (name === 'failure' || name === 'error')) {
      const { message = '' } = attributes as { readonly message?: string };
      test.message = joined(test.message, message);
      isInFailure = true;
    }
  };
  const onText = (piece: string): void => {
    if (test && isInFailure) test.message = joined(test.message, piece);
  };
  parser.ontext = onText;
  parser.oncdata = onText;
  parser.onclosetag = (name) => {
    depth--;
    if (name === 'failure' || name === 'error') isInFailure = false;
    if (name !== 'testcase' || !test) return;
    const { isSkipped, message, ...rest } = test;
    test = null;
    if (isSkipped) {
      skipped++;
      return;
    }
    if (tests.length >= REPORT_LIMITS.tests) throw badReport(`more than ${REPORT_LIMITS.tests} tests`);
    if (message !== null) failed++;
    tests.push({ ...given(rest), value: message === null, ...(message !== null && { message: message.trim() }) });
  };
  parser.write(text).close();
  if (!isReport) throw badReport('it is empty');
  return { tests, passed: tests.length - failed, failed, skipped };
}

function testOf({ name = '', classname = '', time = '', file = '', line = '' }: Record<string, string>): OpenTest {
  const whole = classname === '' || name.startsWith(classname) ? name : `${classname}.${name}`;
  return {
    name: whole.slice(0, REPORT_LIMITS.textCharacters) || '(no name)',
    codePath: file.slice(0, REPORT_LIMITS.textCharacters),
    line: /^\d{1,9}$/.test(line) ? Number(line) : NaN,
    // Some write thousands with a comma.
    durationNs: /^\d[\d,]*(\.\d+)?$/.test(time) ? Math.round(Number(time.replaceAll(',', '')) * 1e9) : NaN,
    message: null,
    isSkipped: false,
  };
}

/** Leaves out what the report does not say. */
function given({
  name,
  codePath,
  line,
  durationNs,
}: Omit<OpenTest, 'message' | 'isSkipped'>): Omit<TestResultOptions, 'value'> {
  return {
    name,
    ...(codePath !== '' && { codePath }),
    ...(Number.isSafeInteger(line) && { line }),
    ...(Number.isSafeInteger(durationNs) && { durationNs }),
  };
}

function joined(before: string | null, text: string): string {
  const isNewLine = before === null || before === '' || before.endsWith('\n') || text.startsWith('\n');
  const whole = `${before ?? ''}${isNewLine ? '' : '\n'}${text}`;
  return whole.slice(0, REPORT_LIMITS.messageCharacters);
}

function badReport(why: string): UserError {
  return new UserError('bad-report', `not a report of JUnit: ${printable(why, 200)}`);
}
