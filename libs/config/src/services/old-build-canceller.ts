import { optionalCallback } from '../choices.js';
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
  /**
   * Returns the key of a branch. Branches with the same key count as one; null stands for a branch that is left alone. The default is the
   * branch's name. It has two seconds, and is asked once for each branch. When it fails, the change cancels nothing.
   */
  readonly branchKey?: (branch: BranchInfo) => string | null | Promise<string | null>;
}

/** A branch, as `branchKey` gets it. */
export interface BranchInfo {
  /** Null for the default branch. */
  readonly branch: string | null;
  readonly repository: string;
  readonly project: string;
  readonly codebase: string;
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
  /** Missing when each branch is one of its own. */
  readonly branchKey?: string;
}

export const oldBuildCancellerKind: ServiceKind<Own> = {
  name: 'old-build-canceller',
  compile: (reader, context) => {
    const branchKey = optionalCallback(reader, 'branchKey', context.callbacks);
    return {
      filters: compileServiceFilters(reader, context, () => ({})),
      ...(branchKey !== null && { branchKey }),
    };
  },
  branchKey: ({ branchKey }) => branchKey ?? null,
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
