import { NO_SOURCE, type SourceStamp } from '@millrace/domain';
import type { CallbackTable } from '../../callback-table.js';
import { type ObjectReader, SHORT } from '../../object-reader.js';
import { type Codebases, compileCodebases } from '../codebases.js';
import { compileWeighing, type Weighing } from '../on-change/compile.js';
import type { Slots } from './slots.js';

/** The part that schedulers by time have beside the common one. */
export interface Timed extends Weighing, Codebases {
  readonly slots: Slots;
  /** Slots that are built even if nothing has changed; null when there are none. */
  readonly forceAt: Slots | null;
  readonly onlyIfChanged: boolean;
  readonly missed: 'run-once' | 'skip';
  readonly codebases: readonly SourceStamp[];
}

export function compileTimed(reader: ObjectReader, callbacks: CallbackTable): Omit<Timed, 'slots' | 'forceAt'> {
  const { codebases, isAbsolute } = compileCodebases(reader);
  const branch = reader.raw('branch') == null ? null : reader.text('branch', SHORT);
  if (codebases && branch !== null)
    reader.problem('branch', 'one place', `${reader.at('branch')} is given beside codebases: say it of each codebase`);
  return {
    ...compileWeighing(reader, callbacks),
    onlyIfChanged: reader.boolean('onlyIfChanged', false),
    missed: compileMissed(reader),
    codebases: codebases ?? [{ ...NO_SOURCE, branch }],
    isAbsolute,
  };
}

export function compileMissed(reader: ObjectReader): Timed['missed'] {
  return reader.oneOf('missed', ['run-once', 'skip'], 'run-once');
}
