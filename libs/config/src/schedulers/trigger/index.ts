import { locate } from '../../location.js';
import {
  answerCompleted,
  type CallDefaults,
  type CallDefaultsOptions,
  compileCallDefaults,
} from '../call-codebases.js';
import type { SchedulerKind } from '../kind.js';
import type { SchedulerOptions } from '../options.js';

export interface TriggerableOptions extends SchedulerOptions, CallDefaultsOptions {}

export interface TriggerDefinition extends TriggerableOptions {
  readonly kind: 'trigger';
  readonly name: string;
}

/** Defines a scheduler that a step `trigger`, `POST /trigger` and `millrace trigger` start by name. */
export function triggerable(name: string, options: TriggerableOptions): TriggerDefinition {
  return locate(triggerable, { ...options, kind: 'trigger', name });
}

/** The same as `triggerable`, for configurations that do not need the name for a step. */
export function trigger(name: string, options: TriggerableOptions): TriggerDefinition {
  return locate(trigger, { ...options, kind: 'trigger', name });
}

export const triggerKind: SchedulerKind<CallDefaults> = {
  name: 'trigger',
  compile: compileCallDefaults,
  codebases: () => null,
  on: { call: answerCompleted },
};
