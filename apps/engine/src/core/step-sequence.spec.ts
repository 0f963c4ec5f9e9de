import { describe, expect, it } from '@jest/globals';
import { BUILD_BEGINS, DEFAULT_STEP_FLAGS, Result } from '@millrace/domain';
import { buildStateString, isStarted, settledResult, StepNames, stepStateString } from './step-sequence.js';

const { SUCCESS, WARNINGS, FAILURE, SKIPPED, EXCEPTION, RETRY, CANCELLED } = Result;

describe('StepNames', () => {
  it.each<[string[], string[]]>([
    [[], []],
    [
      ['a', 'b'],
      ['a', 'b'],
    ],
    [
      ['shell', 'shell', 'shell'],
      ['shell', 'shell_1', 'shell_2'],
    ],
    [['worker_preparation'], ['worker_preparation_1']],
    [
      ['a', 'a_1', 'a'],
      ['a', 'a_1', 'a_2'],
    ],
    [
      ['x'.repeat(50), 'x'.repeat(50)],
      ['x'.repeat(50), `${'x'.repeat(48)}_1`],
    ],
  ])('makes %j %j', (names, unique) => {
    const all = new StepNames();
    expect(names.map((name) => all.take(name))).toEqual(unique);
  });
});

describe('isStarted', () => {
  const halted = { ...BUILD_BEGINS, halted: true };
  const always = { ...DEFAULT_STEP_FLAGS, alwaysRun: true };
  it.each([
    ['a step of a build that goes on', { progress: BUILD_BEGINS, workerLost: false }, DEFAULT_STEP_FLAGS, true],
    ['a step after a halt', { progress: halted, workerLost: false }, DEFAULT_STEP_FLAGS, false],
    ['an alwaysRun step after a halt', { progress: halted, workerLost: false }, always, true],
    ['an alwaysRun step without a worker', { progress: halted, workerLost: true }, always, false],
  ])('decides about %s', (_what, walk, flags, started) => expect(isStarted(walk, flags)).toBe(started));
});

describe('settledResult', () => {
  it.each([
    [FAILURE, false, false, FAILURE],
    [FAILURE, true, false, CANCELLED],
    [EXCEPTION, true, false, CANCELLED],
    [SUCCESS, true, false, SUCCESS],
    [WARNINGS, true, false, WARNINGS],
    [EXCEPTION, false, true, RETRY],
    [FAILURE, true, true, CANCELLED],
    [SUCCESS, false, true, SUCCESS],
  ] as const)('of %j with stopped=%j workerLost=%j is %j', (result, stopped, workerLost, settled) => {
    expect(settledResult({ result, stopped, workerLost })).toBe(settled);
  });
});

describe('state strings', () => {
  it.each([
    ["'make test'", SUCCESS, "'make test'"],
    ["'make test'", FAILURE, "'make test' (failure)"],
    [null, EXCEPTION, 'finished (exception)'],
    [null, SUCCESS, 'finished'],
    ["'make'", SKIPPED, 'skipped'],
  ] as const)('of a step that showed %j with result %j is %j', (shown, result, text) => {
    expect(stepStateString(shown, result)).toBe(text);
  });

  const step = (results: Result, stateString: string) => ({ results, stateString });
  it.each([
    [SUCCESS, [step(SUCCESS, 'a')], 'build successful'],
    [SUCCESS, [], 'build successful'],
    [FAILURE, [step(SUCCESS, 'a'), step(FAILURE, "'test' (failure)")], "failed 'test' (failure)"],
    [FAILURE, [step(FAILURE, 'a (failure)'), step(FAILURE, 'b (failure)')], 'failed a (failure); b (failure)'],
    [FAILURE, [step(WARNINGS, 'lint (warnings)')], 'failed lint (warnings)'],
    [CANCELLED, [step(CANCELLED, 'a (cancelled)')], 'cancelled a (cancelled)'],
    [CANCELLED, [step(SUCCESS, 'a')], 'cancelled'],
    [RETRY, [step(RETRY, 'a (retry)')], 'retry a (retry)'],
  ])('of a build with result %j after %j is %j', (result, steps, text) =>
    expect(buildStateString(result, steps)).toBe(text),
  );
});
