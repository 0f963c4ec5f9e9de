import { locate } from '../../location.js';
import type { SchedulerKind } from '../kind.js';
import { compileTimed, type Timed } from '../timed/compile.js';
import { compileForceAt, compileSlots, type CronFields } from '../timed/cron-fields.js';
import { TIMED } from '../timed/decide.js';
import type { TimedOptions } from '../timed/options.js';

export interface NightlyOptions extends TimedOptions, CronFields {
  /** In place of the fields: `minute hour day-of-month month day-of-week`, Sunday being 0. */
  readonly cron?: string;
  /** The time zone whose clocks count, such as `Europe/Berlin`. Default `UTC`, wherever the masters are. */
  readonly timeZone?: string;
  /** With `onlyIfChanged`: times, among the others, that are built even if nothing has changed. */
  readonly forceAt?: CronFields | string;
}

export interface NightlyDefinition extends NightlyOptions {
  readonly kind: 'nightly';
  readonly name: string;
}

/** Defines a scheduler that builds at times of day. */
export function nightly(name: string, options: NightlyOptions): NightlyDefinition {
  return locate(nightly, { ...options, kind: 'nightly', name });
}

export const nightlyKind: SchedulerKind<Timed> = {
  name: 'nightly',
  compile: (reader, { callbacks }) => ({
    ...compileTimed(reader, callbacks),
    slots: compileSlots(reader),
    forceAt: compileForceAt(reader),
  }),
  codebases: ({ codebases }) => codebases.map(({ codebase }) => codebase),
  remembers: ({ isAbsolute }) => isAbsolute,
  on: TIMED,
};
