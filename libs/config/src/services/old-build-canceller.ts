import type { ChangeFilter } from '@millrace/domain';
import { locate } from '../location.js';
import { ObjectReader } from '../object-reader.js';
import type { FilterDefinition } from '../schedulers/on-change/options.js';
import { compileBuilderNames, compilePlainFilter, passes, type ServiceKind } from './kind.js';

export interface OldBuildCancellerOptions {
  readonly filters: readonly {
    /** Builders whose older requests and builds are cancelled. */
    readonly builders: readonly string[];
    /** The changes that make older ones superfluous. Default all. */
    readonly filter?: FilterDefinition;
  }[];
}

export interface OldBuildCancellerDefinition extends OldBuildCancellerOptions {
  readonly kind: 'old-build-canceller';
  readonly name: string;
}

/** Defines a service that cancels what is built for older changes of a branch when a newer one comes. */
export function oldBuildCanceller(name: string, options: OldBuildCancellerOptions): OldBuildCancellerDefinition {
  return locate(oldBuildCanceller, { ...options, kind: 'old-build-canceller', name });
}

interface Own {
  readonly filters: readonly { readonly builders: readonly string[]; readonly filter: ChangeFilter }[];
}

export const oldBuildCancellerKind: ServiceKind<Own> = {
  name: 'old-build-canceller',
  compile: (reader, context) => ({
    filters: reader.list(
      'filters',
      (item, path) => {
        const inner = new ObjectReader(item, path, reader.into, reader.where);
        const read = {
          builders: compileBuilderNames(inner, 'builders', context),
          filter: compilePlainFilter(inner, context),
        };
        inner.done();
        return read;
      },
      { required: true },
    ),
  }),
  on: {
    change: ({ name, filters }, { change, older }) => {
      const builders = new Set(
        filters.filter(({ filter }) => passes(filter, change)).flatMap(({ builders: some }) => some),
      );
      const reason = `${name}: change ${change.changeId} of the same branch is newer`;
      return older.filter(({ builder }) => builders.has(builder)).map(({ requestId }) => ({ requestId, reason }));
    },
  },
};
