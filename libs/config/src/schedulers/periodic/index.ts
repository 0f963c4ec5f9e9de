import { locate } from '../../location.js';
import { TIMER_MAX_SECONDS } from '../../object-reader.js';
import type { SchedulerKind } from '../kind.js';
import { compileTimed, type Timed } from '../timed/compile.js';
import { TIMED } from '../timed/decide.js';
import type { TimedOptions } from '../timed/options.js';

export interface PeriodicOptions extends TimedOptions {
  /** Time from one build to the next. Counted from 1970, so that every master finds the same times. */
  readonly everySeconds: number;
}

export interface PeriodicDefinition extends PeriodicOptions {
  readonly kind: 'periodic';
  readonly name: string;
}

/** Defines a scheduler that builds again and again, in equal steps. */
export function periodic(name: string, options: PeriodicOptions): PeriodicDefinition {
  return locate(periodic, { ...options, kind: 'periodic', name });
}

export const periodicKind: SchedulerKind<Timed> = {
  name: 'periodic',
  compile: (reader, { callbacks }) => {
    const seconds = { min: 1, max: TIMER_MAX_SECONDS, integer: true };
    if (!reader.has('everySeconds')) reader.problem('everySeconds', 'a whole number of seconds');
    const everyMs = 1000 * reader.number('everySeconds', { default: 1, ...seconds });
    return { ...compileTimed(reader, callbacks), slots: { kind: 'every', everyMs }, forceAt: null };
  },
  codebases: ({ codebases }) => codebases.map(({ codebase }) => codebase),
  remembers: ({ isAbsolute }) => isAbsolute,
  on: TIMED,
};
