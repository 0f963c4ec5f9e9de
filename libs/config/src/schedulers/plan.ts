import type { CompiledScheduler } from '@millrace/contracts';
import { mergeProperties, propertiesFrom, propertiesGiven, type SourceStamp } from '@millrace/domain';
import type { PlannedBuildset, SeenChange } from './kind.js';

interface Plan {
  readonly cause: string;
  /** The reason when the scheduler has none of its own. */
  readonly reason: string;
  readonly changes: readonly SeenChange[];
  readonly sourceStamps: readonly SourceStamp[];
}

/** Returns the buildset that a scheduler makes by itself: for changes, or because it is time. */
export function planBuildset(
  scheduler: CompiledScheduler,
  { cause, reason, changes, sourceStamps }: Plan,
): PlannedBuildset {
  const owners = [...new Set(changes.map(({ author }) => author))];
  return {
    cause,
    reason: scheduler.reason || reason,
    sourceStamps,
    changeIds: changes.map(({ changeId }) => changeId),
    properties: propertiesGiven({
      scheduler: propertiesFrom(scheduler.properties, 'Scheduler'),
      changes: mergeProperties(...changes.map(({ properties }) => properties)),
      buildset: {
        ...propertiesFrom({ scheduler: scheduler.name }, 'Scheduler'),
        ...(owners.length > 0 && propertiesFrom({ owners }, 'Build')),
      },
    }),
    builders: scheduler.builders,
    priority: scheduler.priority,
  };
}
