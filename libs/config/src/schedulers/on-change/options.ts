import type { ChangeInfo } from '../../step.js';
import type { CodebasesOptions } from '../codebases.js';
import type { SchedulerOptions } from '../options.js';

/** A value, several values, an expression that is searched for, or a callback. */
export type Match<V = string | null> = V | readonly V[] | RegExp | ((value: V) => boolean | Promise<boolean>);

/** What a value has to be (`is`), and must not be (`not`). */
export type FilterValue<V = string | null> = Match<V> | { readonly is?: Match<V>; readonly not?: Match<V> };

type PropertyValue = string | number | boolean | null;

/** Conditions by attribute, `properties.NAME` for the change's properties. Every named attribute must match. */
export interface FilterDefinition {
  readonly project?: FilterValue;
  readonly repository?: FilterValue;
  readonly branch?: FilterValue;
  readonly category?: FilterValue;
  readonly codebase?: FilterValue;
  readonly [property: `properties.${string}`]: FilterValue<PropertyValue>;
}

/** How a scheduler weighs changes. */
export interface WeighingOptions {
  readonly filter?: FilterDefinition;
  readonly isImportant?: (change: ChangeInfo) => boolean | Promise<boolean>;
  readonly onlyImportant?: boolean;
}

export interface OnChangeOptions extends SchedulerOptions, WeighingOptions, CodebasesOptions {
  /** Quiet time of a branch before it is built. Without it every change is built separately. */
  readonly treeStableSeconds?: number;
}
