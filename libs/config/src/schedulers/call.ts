import type { CompiledScheduler } from '@millrace/contracts';
import { NO_SOURCE, printable, propertiesFrom, propertiesGiven, UserError } from '@millrace/domain';
import type { Call, PlannedBuildset } from './kind.js';

/**
 * Returns the buildset for a call, in the same way for every kind: the scheduler's values, overridden by those of the call.
 * @throws UserError `bad-builders`
 */
export function answerCall(scheduler: CompiledScheduler, call: Call): PlannedBuildset {
  return {
    cause: `trigger:${call.id}`,
    reason: call.reason ?? scheduler.reason,
    sourceStamps: call.sourceStamps.length > 0 ? call.sourceStamps : [NO_SOURCE],
    changeIds: [],
    properties: propertiesGiven({
      scheduler: propertiesFrom({ ...scheduler.properties, scheduler: scheduler.name }, 'Scheduler'),
      call: call.properties,
    }),
    builders: chosenBuilders(scheduler, call.builders),
    priority: call.priority ?? scheduler.priority,
  };
}

function chosenBuilders(scheduler: CompiledScheduler, wanted: readonly string[] | null): readonly string[] {
  if (!wanted) return scheduler.builders;
  const theirs = new Set(scheduler.builders);
  const foreign = wanted.filter((name) => !theirs.has(name));
  if (foreign.length === 0 && wanted.length > 0) return [...new Set(wanted)];
  throw new UserError(
    'bad-builders',
    wanted.length === 0
      ? 'builders is empty: leave it out for all of them'
      : `scheduler '${scheduler.name}' does not start ${foreign
          .slice(0, 10)
          .map((name) => `'${printable(name, 190)}'`)
          .join(', ')}; it starts: ${scheduler.builders.join(', ')}`,
    { field: 'builders' },
  );
}
