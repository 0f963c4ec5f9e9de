import type { ChangeInfo } from '../../step.js';
import type { SchedulerOptions } from '../options.js';

/** A value, several values, an expression that is searched for, or a callback. */
export type FilterValue =
  string | null | readonly (string | null)[] | RegExp | ((value: string | null) => boolean | Promise<boolean>);

/** Conditions by attribute. Every named attribute must match. */
export interface FilterDefinition {
  readonly project?: FilterValue;
  readonly repository?: FilterValue;
  readonly branch?: FilterValue;
  readonly category?: FilterValue;
}

export interface OnChangeOptions extends SchedulerOptions {
  readonly filter?: FilterDefinition;
  /** Quiet time of a branch before it is built. Without it every change is built separately. */
  readonly treeStableSeconds?: number;
  readonly isImportant?: (change: ChangeInfo) => boolean | Promise<boolean>;
  readonly onlyImportant?: boolean;
}
