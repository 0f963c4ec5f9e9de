import type { CallbackTable } from '../callback-table.js';
import type { ObjectReader } from '../object-reader.js';

export interface CompileContext {
  /** The scheduler's. */
  readonly name: string;
  readonly callbacks: CallbackTable;
}

/** A kind of scheduler. `Own` is what it has in a revision beside what all have. */
export interface SchedulerKind<Own extends object = object> {
  readonly name: string;
  /** Reads its own options; those that all have are read already. */
  compile(reader: ObjectReader, context: CompileContext): Own;
}
