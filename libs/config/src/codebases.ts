import { type CompiledChangeSource, type CompiledScheduler, isForceScheduler } from '@millrace/contracts';

const CERTAIN: ReadonlySet<CompiledScheduler['kind']> = new Set(['any-branch', 'single-branch', 'force']);

/**
 * The codebases that a builder's schedulers make source stamps of; null when that is not certain, because one of them takes what it is told.
 */
export function suppliedCodebases(
  builder: string,
  schedulers: readonly CompiledScheduler[],
  changeSources: readonly CompiledChangeSource[],
): ReadonlySet<string> | null {
  const its = schedulers.filter(({ builders }) => builders.includes(builder));
  if (its.length === 0 || its.some(({ kind }) => !CERTAIN.has(kind))) return null;
  return new Set(
    its.flatMap((scheduler) =>
      isForceScheduler(scheduler)
        ? scheduler.codebases.map(({ codebase }) => codebase)
        : changeSources.map(({ codebase }) => codebase),
    ),
  );
}
