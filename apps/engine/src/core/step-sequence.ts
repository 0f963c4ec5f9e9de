import { type BuildProgress, Result, resultName, type StepFlags } from '@millrace/domain';

const MAX_NAME_LENGTH = 50;

/** Gives the steps of a build names of their own: repetitions get `_1`, `_2`, … and stay within 50 characters. */
export class StepNames {
  /** A build has a step before those of its factory. */
  private readonly taken = new Set(['worker_preparation']);
  /** The last number that a name got, so that the next repetition need not count from the beginning. */
  private readonly numbers = new Map<string, number>();

  take(name: string): string {
    let unique = name;
    let n = this.numbers.get(name) ?? 0;
    while (this.taken.has(unique)) {
      const suffix = `_${++n}`;
      unique = name.slice(0, MAX_NAME_LENGTH - suffix.length) + suffix;
    }
    this.numbers.set(name, n);
    this.taken.add(unique);
    return unique;
  }
}

export interface Walk {
  readonly progress: BuildProgress;
  /** True when the worker is lost, so that nothing can run any more. */
  readonly workerLost: boolean;
}

/** Whether the next step is started at all. */
export function isStarted({ progress, workerLost }: Walk, flags: StepFlags): boolean {
  return !workerLost && (!progress.halted || flags.alwaysRun);
}

export interface StepEnd {
  readonly result: Result;
  /** True when the build was stopped while the step ran. */
  readonly stopped: boolean;
  readonly workerLost: boolean;
}

/**
 * Returns the final result of a step. A step whose worker was lost is retried whatever its own result is, and one that was stopped is
 * cancelled unless it had succeeded all the same.
 */
export function settledResult({ result, stopped, workerLost }: StepEnd): Result {
  const isGood = result === Result.SUCCESS || result === Result.WARNINGS || result === Result.SKIPPED;
  if (isGood) return result;
  if (stopped) return Result.CANCELLED;
  return workerLost ? Result.RETRY : result;
}

/** Returns a step's state, such as `'make test'` or `'make test' (failure)`: the last one shown, or the plain word without any. */
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

/** Returns a build's state, such as `build successful` or `failed 'make test' (failure)`: its result and the steps that caused it. */
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
