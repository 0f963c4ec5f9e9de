import { UnexpectedError } from '@millrace/domain';
import { type AnyBranchDefinition, anyBranchKind } from './any-branch/index.js';
import { type DependentDefinition, dependentKind } from './dependent/index.js';
import { forceKind } from './force/index.js';
import type { ForceDefinition } from './force/options.js';
import type { SchedulerKind } from './kind.js';
import { type NightlyDefinition, nightlyKind } from './nightly/index.js';
import { type NightlyTriggerableDefinition, nightlyTriggerableKind } from './nightly-triggerable/index.js';
import { type PeriodicDefinition, periodicKind } from './periodic/index.js';
import { type SingleBranchDefinition, singleBranchKind } from './single-branch/index.js';
import { type TriggerDefinition, triggerKind } from './trigger/index.js';

/** Every kind of scheduler. */
export const SCHEDULER_KINDS: readonly SchedulerKind[] = [
  anyBranchKind,
  singleBranchKind,
  periodicKind,
  nightlyKind,
  nightlyTriggerableKind,
  dependentKind,
  forceKind,
  triggerKind,
];

/**
 * Returns the kind of a compiled scheduler.
 * @throws UnexpectedError for an unknown kind, from a revision of another release
 */
export function schedulerKind(name: string): SchedulerKind {
  const kind = SCHEDULER_KINDS.find((candidate) => candidate.name === name);
  if (!kind) throw new UnexpectedError('unknown-kind', `no scheduler is of the kind '${name}'`, { kind: name });
  return kind;
}

/** A scheduler in a configuration. */
export type SchedulerDefinition =
  | AnyBranchDefinition
  | SingleBranchDefinition
  | PeriodicDefinition
  | NightlyDefinition
  | NightlyTriggerableDefinition
  | DependentDefinition
  | ForceDefinition
  | TriggerDefinition;
