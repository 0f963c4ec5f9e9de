import type { CompiledScheduler } from '@millrace/contracts';
import { Result, withGotRevisions } from '@millrace/domain';
import { locate } from '../../location.js';
import { answerCall } from '../call.js';
import { type Decision, type FinishedBuildset, type SchedulerKind, type SchedulerState, unchanged } from '../kind.js';
import type { SchedulerOptions } from '../options.js';
import { planBuildset } from '../plan.js';

export interface DependentOptions extends SchedulerOptions {
  /** Name of the scheduler whose builds come first. */
  readonly upstream: string;
}

export interface DependentDefinition extends DependentOptions {
  readonly kind: 'dependent';
  readonly name: string;
}

/**
 * Defines a scheduler that builds the same source stamps again when all builds of another scheduler's buildset went well. Where they name no
 * revision, it builds the one that was checked out, and not what has come since.
 */
export function dependent(name: string, options: DependentOptions): DependentDefinition {
  return locate(dependent, { ...options, kind: 'dependent', name });
}

export interface Dependent {
  readonly upstream: string;
}

const WENT_WELL: readonly Result[] = [Result.SUCCESS, Result.WARNINGS];

export const dependentKind: SchedulerKind<Dependent> = {
  name: 'dependent',
  compile: (reader) => ({ upstream: reader.text('upstream', { expected: 'the name of a scheduler' }) }),
  codebases: () => null,
  upstreams: ({ upstream }) => [upstream],
  on: { buildset: decide, call: answerCall },
};

function decide(
  scheduler: CompiledScheduler & Dependent,
  state: SchedulerState,
  { buildsetId, schedulerName, results, sourceStamps: given, gotRevision }: FinishedBuildset,
): Decision {
  const nothing = unchanged(state);
  if (schedulerName !== scheduler.upstream || !WENT_WELL.includes(results)) return nothing;
  const checkedOut = withGotRevisions(given, gotRevision);
  const sourceStamps = given.map((stamp, i) => (stamp.revision ? stamp : checkedOut[i]!));
  const reason = `scheduler '${scheduler.name}' after buildset ${buildsetId} of '${schedulerName}'`;
  return {
    ...nothing,
    buildsets: [planBuildset(scheduler, { cause: `buildset:${buildsetId}`, reason, changes: [], sourceStamps })],
  };
}
