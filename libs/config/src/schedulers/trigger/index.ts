import { locate } from '../../location.js';
import { answerCall } from '../call.js';
import type { SchedulerKind } from '../kind.js';
import type { SchedulerOptions } from '../options.js';

export interface TriggerDefinition extends SchedulerOptions {
  readonly kind: 'trigger';
  readonly name: string;
}

/** Defines a scheduler that `POST /trigger` and `millrace trigger` start by name. */
export function trigger(name: string, options: SchedulerOptions): TriggerDefinition {
  return locate(trigger, { ...options, kind: 'trigger', name });
}

export const triggerKind: SchedulerKind = {
  name: 'trigger',
  compile: () => ({}),
  codebases: () => null,
  on: { call: answerCall },
};
