/** Result codes, the same as Buildbot's clients know (`docs/api.md#results`). */
export const Result = {
  SUCCESS: 0,
  WARNINGS: 1,
  FAILURE: 2,
  SKIPPED: 3,
  EXCEPTION: 4,
  RETRY: 5,
  CANCELLED: 6,
} as const;
export type Result = (typeof Result)[keyof typeof Result];

const NAMES = ['success', 'warnings', 'failure', 'skipped', 'exception', 'retry', 'cancelled'] as const;
export type ResultName = (typeof NAMES)[number];

/** Returns the lower-case name of a result, for people. */
export function resultName(result: Result): ResultName {
  return NAMES[result];
}

export function isResult(value: unknown): value is Result {
  return typeof value === 'number' && value >= 0 && value < NAMES.length && Number.isInteger(value);
}

/** Results from best to worst: SKIPPED < SUCCESS < WARNINGS < FAILURE < EXCEPTION < RETRY < CANCELLED. */
const BADNESS: readonly Result[] = [
  Result.SKIPPED,
  Result.SUCCESS,
  Result.WARNINGS,
  Result.FAILURE,
  Result.EXCEPTION,
  Result.RETRY,
  Result.CANCELLED,
];

/** Returns the worse of two results. */
export function worse(a: Result, b: Result): Result {
  return BADNESS.indexOf(a) >= BADNESS.indexOf(b) ? a : b;
}

/** Returns the worst of several results. Without any it is a success. */
export function worstOf(results: Iterable<Result>): Result {
  let worst: Result | undefined;
  for (const result of results) worst = worst === undefined ? result : worse(worst, result);
  return worst === undefined || worst === Result.SKIPPED ? (worst ?? Result.SUCCESS) : worst;
}

/** How a step's result affects its build. */
export interface StepFlags {
  readonly haltOnFailure: boolean;
  readonly flunkOnFailure: boolean;
  readonly flunkOnWarnings: boolean;
  readonly warnOnFailure: boolean;
  readonly warnOnWarnings: boolean;
  readonly alwaysRun: boolean;
}

export const DEFAULT_STEP_FLAGS: StepFlags = {
  haltOnFailure: false,
  flunkOnFailure: true,
  flunkOnWarnings: false,
  warnOnFailure: false,
  warnOnWarnings: false,
  alwaysRun: false,
};

/** State of a build after some of its steps. */
export interface BuildProgress {
  readonly result: Result;
  /** True when only `alwaysRun` steps are still run. */
  readonly halted: boolean;
}

export const BUILD_BEGINS: BuildProgress = { result: Result.SUCCESS, halted: false };

/** Returns the build's progress after one more step has finished (`docs/api.md#results`: EXCEPTION, RETRY and CANCELLED always stop). */
export function afterStep(progress: BuildProgress, stepResult: Result, flags: StepFlags): BuildProgress {
  let counted: Result = Result.SUCCESS;
  let halt = false;
  switch (stepResult) {
    case Result.SUCCESS:
    case Result.SKIPPED:
      break;
    case Result.WARNINGS:
      if (flags.flunkOnWarnings) counted = Result.FAILURE;
      else if (flags.warnOnWarnings) counted = Result.WARNINGS;
      break;
    case Result.FAILURE:
      if (flags.flunkOnFailure) counted = Result.FAILURE;
      else if (flags.warnOnFailure) counted = Result.WARNINGS;
      halt = flags.haltOnFailure;
      break;
    default:
      counted = stepResult;
      halt = true;
  }
  return { result: worse(progress.result, counted), halted: progress.halted || halt };
}
