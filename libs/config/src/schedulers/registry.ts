import { type AnyBranchDefinition, anyBranchKind } from './any-branch/index.js';
import { forceKind } from './force/index.js';
import type { ForceDefinition } from './force/options.js';
import type { SchedulerKind } from './kind.js';
import { type SingleBranchDefinition, singleBranchKind } from './single-branch/index.js';
import { type TriggerDefinition, triggerKind } from './trigger/index.js';

/** Every kind of scheduler. */
export const SCHEDULER_KINDS: readonly SchedulerKind[] = [anyBranchKind, singleBranchKind, forceKind, triggerKind];

/** A scheduler as a configuration has it. */
export type SchedulerDefinition = AnyBranchDefinition | SingleBranchDefinition | ForceDefinition | TriggerDefinition;
