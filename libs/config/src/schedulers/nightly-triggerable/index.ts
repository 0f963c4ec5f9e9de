import type { CompiledScheduler } from '@millrace/contracts';
import { locate } from '../../location.js';
import { answerCall } from '../call.js';
import {
  answerCompleted,
  type CallDefaults,
  type CallDefaultsOptions,
  compileCallDefaults,
} from '../call-codebases.js';
import type { Decision, SchedulerKind, SchedulerState } from '../kind.js';
import type { SchedulerOptions } from '../options.js';
import { compileMissed, type Timed } from '../timed/compile.js';
import { compileSlots, type CronFields } from '../timed/cron-fields.js';
import { dueSlot } from '../timed/decide.js';
import { nextSlot } from '../timed/slots.js';
import type { TimedOptions } from '../timed/options.js';

export interface NightlyTriggerableOptions
  extends SchedulerOptions, CallDefaultsOptions, CronFields, Pick<TimedOptions, 'missed'> {
  /** In place of the fields: `minute hour day-of-month month day-of-week`, Sunday being 0. */
  readonly cron?: string;
  /** The time zone whose clocks count, such as `Europe/Berlin`. Default `UTC`, wherever the masters are. */
  readonly timeZone?: string;
}

export interface NightlyTriggerableDefinition extends NightlyTriggerableOptions {
  readonly kind: 'nightly-triggerable';
  readonly name: string;
}

type CompiledNightlyTriggerable = CallDefaults & Pick<Timed, 'slots' | 'missed'>;
type Scheduler = CompiledScheduler & CompiledNightlyTriggerable;

/** Defines a scheduler that builds at times of day what it was called for last, if it was called since the last time. */
export function nightlyTriggerable(name: string, options: NightlyTriggerableOptions): NightlyTriggerableDefinition {
  return locate(nightlyTriggerable, { ...options, kind: 'nightly-triggerable', name });
}

export const nightlyTriggerableKind: SchedulerKind<CompiledNightlyTriggerable> = {
  name: 'nightly-triggerable',
  compile: (reader) => ({ ...compileCallDefaults(reader), slots: compileSlots(reader), missed: compileMissed(reader) }),
  codebases: () => null,
  keepsCalls: true,
  on: { call: answerCompleted, time: decideTime },
};

function decideTime(scheduler: Scheduler, state: SchedulerState): Decision {
  const next: Decision = { buildsets: [], marks: [], wakeAtMs: nextSlot(scheduler.slots, state.nowMs) };
  const dueMs = dueSlot(scheduler, state);
  if (dueMs === null || state.call === null) return next;
  const { builders } = state.call;
  const left = builders?.filter((name) => scheduler.builders.includes(name)) ?? null;
  if (left?.length === 0) return { ...next, takesCall: true };
  const slot = new Date(dueMs).toISOString();
  const reason = state.call.reason ?? (scheduler.reason || `scheduler '${scheduler.name}' at ${slot}, called before`);
  return { ...next, buildsets: [answerCall(scheduler, { ...state.call, builders: left, reason })], takesCall: true };
}
