import type { CompiledService } from '@millrace/contracts';
import {
  type ChangeFilter,
  filterChange,
  type FilteredChange,
  type SourceStamp,
  type ValueMatch,
} from '@millrace/domain';
import type { CallbackTable } from '../callback-table.js';
import { ObjectReader, references } from '../object-reader.js';
import { compileFilter } from '../schedulers/on-change/compile.js';

export interface ServiceContext {
  readonly builders: ReadonlySet<string>;
  readonly callbacks: CallbackTable;
}

/**
 * A kind of service: how its options are read, and what it decides. It is pure: it gets all the data that it needs, and returns the requests
 * that are to be cancelled. `Own` is the kind's own part of a service in a revision.
 */
export interface ServiceKind<Own extends object = object> {
  readonly name: string;
  /** Reads the kind's own options. The name has been read already. */
  compile(reader: ObjectReader, context: ServiceContext): Own;
  /** Returns the handle of the callback that says which branches count as one; null when only a branch itself does. */
  branchKey?(this: void, service: CompiledService & Own): string | null;
  /** The causes that the service decides about. It gets no others. A cause may come again after the death of a master. */
  readonly on: ServiceReactions<CompiledService & Own>;
}

/** The decisions of a kind about each sort of cause. */
export interface ServiceReactions<S extends CompiledService = CompiledService> {
  /** Decides about a change, in the order of their `seq`. */
  change?(this: void, service: S, cause: NewerChange): readonly Cancellation[];
  /** Decides about a request of an unfinished buildset that ended with a failure or an exception. */
  failure?(this: void, service: S, cause: FailedRequest): readonly Cancellation[];
  /** Decides about requests that wait for builders which no configuration has any more. */
  removed?(this: void, service: S, waiting: readonly OpenRequest[]): readonly Cancellation[];
}

/** A request that is not complete: it waits or is being built. */
export interface OpenRequest {
  readonly requestId: number;
  /** Name of its builder. */
  readonly builder: string;
}

export interface NewerChange {
  readonly change: FilteredChange & { readonly changeId: number };
  /** Open requests for older changes of the same repository, project and codebase, and of a branch that may count as the same. */
  readonly older: readonly OpenRequest[];
}

export interface FailedRequest {
  readonly failed: OpenRequest;
  readonly sourceStamps: readonly SourceStamp[];
  /** The open requests of the same buildset. */
  readonly rest: readonly OpenRequest[];
}

/** A request that is to be cancelled. Its build is stopped when there is one. */
export interface Cancellation {
  readonly requestId: number;
  readonly reason: string;
}

/** Which builders a service is about, and for what. */
export interface ServiceFilter {
  readonly builders: readonly string[];
  readonly filter: ChangeFilter;
}

/**
 * Reads the option `filters`.
 * @param own reads what else each of them has
 */
export function compileServiceFilters<Own extends object>(
  reader: ObjectReader,
  context: ServiceContext,
  own: (item: ObjectReader) => Own,
): readonly (ServiceFilter & Own)[] {
  const one = (item: unknown, path: string): ServiceFilter & Own => {
    const inner = new ObjectReader(item, path, reader.into, reader.where);
    const builders = compileBuilderNames(inner, 'builders', context);
    const read = { ...own(inner), builders, filter: compilePlainFilter(inner, context) };
    inner.done();
    return read;
  };
  return reader.list('filters', one, { required: true });
}

/** Reads a filter by plain values and expressions of linear time. Nobody is asked before something is cancelled. */
function compilePlainFilter(reader: ObjectReader, { callbacks }: ServiceContext): ChangeFilter {
  const filter = compileFilter(reader, callbacks);
  for (const [attribute, match] of Object.entries(filter) as [string, ValueMatch][]) {
    const all = match.kind === 'all' ? match.of : [match];
    if (all.some(({ kind }) => kind === 'callback'))
      reader.problem('filter', `values and expressions that take linear time for ${attribute}, no callbacks`);
  }
  return filter;
}

export function compileBuilderNames(
  reader: ObjectReader,
  key: string,
  { builders }: ServiceContext,
): readonly string[] {
  const names = reader.texts(key, { required: true, expected: 'a list of builder names' });
  if (Array.isArray(reader.raw(key)) && names.length === 0) reader.problem(key, 'at least one builder');
  references(reader, key, names, builders, 'builder');
  return [...new Set(names)];
}

export function passes(filter: ChangeFilter, subject: FilteredChange): boolean {
  return filterChange(filter, subject).kind === 'passes';
}
