import { type BuildProgress, Result, resultName, type StepFlags } from '@millrace/domain';

const MAX_NAME_LENGTH = 50;

/** Every name once: repetitions get `_1`, `_2`, … and stay within 50 characters. */
export function uniqueStepNames(names: readonly string[]): string[] {
  const taken = new Set<string>();
  /** The last number that a name got: the next repetition need not begin again. */
  const numbers = new Map<string, number>();
  return names.map((name) => {
    let unique = name;
    let n = numbers.get(name) ?? 0;
    while (taken.has(unique)) {
      const suffix = `_${++n}`;
      unique = name.slice(0, MAX_NAME_LENGTH - suffix.length) + suffix;
    }
    numbers.set(name, n);
    taken.add(unique);
    return unique;
  });
}

export interface Walk {
  readonly progress: BuildProgress;
  /** Its worker is gone: nothing can run any more. */
  readonly workerLost: boolean;
}

/** Whether the next step is started at all. */
export function isStarted({ progress, workerLost }: Walk, flags: StepFlags): boolean {
  return !workerLost && (!progress.halted || flags.alwaysRun);
}

export interface StepEnd {
  readonly result: Result;
  /** The build was stopped while the step ran. */
  readonly stopped: boolean;
  readonly workerLost: boolean;
}

/**
 * What a step's own result becomes: a step whose worker went away is tried again whatever it made of that, and one that was
 * stopped is cancelled unless it had succeeded all the same.
 */
export function settledResult({ result, stopped, workerLost }: StepEnd): Result {
  const isGood = result === Result.SUCCESS || result === Result.WARNINGS || result === Result.SKIPPED;
  if (isGood) return result;
  if (stopped) return Result.CANCELLED;
  return workerLost ? Result.RETRY : result;
}

/** `'make test'`, `'make test' (failure)`; what was shown last, or the plain word where nothing was. */
export function stepStateString(shown: string | null, result: Result): string {
  if (result === Result.SKIPPED) return 'skipped';
  const text = shown ?? 'finished';
  return result === Result.SUCCESS ? text : `${text} (${resultName(result)})`;
}

const PREFIX: Readonly<Record<Result, string>> = {
  [Result.SUCCESS]: 'build successful',
  [Result.WARNINGS]: 'warnings',
  [Result.FAILURE]: 'failed',
  [Result.SKIPPED]: 'skipped',
  [Result.EXCEPTION]: 'exception',
  [Result.RETRY]: 'retry',
  [Result.CANCELLED]: 'cancelled',
};

/** `build successful`, `failed 'make test' (failure)`: the build's result and the steps that it comes from. */
export function buildStateString(
  result: Result,
  steps: readonly { readonly results: Result; readonly stateString: string }[],
): string {
  if (result === Result.SUCCESS || result === Result.SKIPPED) return PREFIX[Result.SUCCESS];
  const isToBlame = (step: Result) => step === result || (result === Result.FAILURE && step === Result.WARNINGS);
  const exact = steps.filter((step) => step.results === result);
  const blamed = exact.length > 0 ? exact : steps.filter((step) => isToBlame(step.results));
  return [PREFIX[result], blamed.map((step) => step.stateString).join('; ')].filter(Boolean).join(' ');
}
