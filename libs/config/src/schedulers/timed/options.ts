import type { CodebasesOptions } from '../codebases.js';
import type { WeighingOptions } from '../on-change/options.js';
import type { SchedulerOptions } from '../options.js';

export interface TimedOptions extends SchedulerOptions, WeighingOptions, CodebasesOptions {
  /** Build only when an important change has come since the last time. Default false. */
  readonly onlyIfChanged?: boolean;
  /**
   * What becomes of a time that passed while no scheduler was there: it is built once when one is back (`run-once`, the default), or
   * waits for the next (`skip`).
   */
  readonly missed?: 'run-once' | 'skip';
  /** The branch to build, unless there are `codebases`. The default is the repository's own. With `onlyIfChanged` only changes of this branch count. */
  readonly branch?: string | null;
}
