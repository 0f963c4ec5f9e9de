import { locate } from '../location.js';
import type { FilterDefinition } from '../schedulers/on-change/options.js';
import { compileServiceFilters, passes, type ServiceFilter, type ServiceKind } from './kind.js';

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
  readonly filters: readonly ServiceFilter[];
}

export const oldBuildCancellerKind: ServiceKind<Own> = {
  name: 'old-build-canceller',
  compile: (reader, context) => ({
    filters: compileServiceFilters(reader, context, () => ({})),
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
