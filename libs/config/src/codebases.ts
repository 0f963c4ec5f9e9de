import type { CompiledChangeSource, CompiledScheduler } from '@millrace/contracts';
import { schedulerKind } from './schedulers/registry.js';

/**
 * Returns the codebases of the source stamps that a builder's schedulers make. Returns null when that is uncertain, because one of them
 * takes the source stamps that its caller gives.
 */
export function suppliedCodebases(
  builder: string,
  schedulers: readonly CompiledScheduler[],
  changeSources: readonly CompiledChangeSource[],
): ReadonlySet<string> | null {
  const its = schedulers.filter(({ builders }) => builders.includes(builder));
  if (its.length === 0) return null;
  const ofChanges = changeSources.map(({ codebase }) => codebase);
  const supplied = its.map((scheduler) => schedulerKind(scheduler.kind).codebases(scheduler, ofChanges));
  return supplied.some((codebases) => codebases === null)
    ? null
    : new Set(supplied.flatMap((codebases) => codebases ?? []));
}
