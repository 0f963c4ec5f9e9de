import { locate } from '../location.js';
import type { FilterDefinition } from '../schedulers/on-change/options.js';
import { compileBuilderNames, compileServiceFilters, passes, type ServiceFilter, type ServiceKind } from './kind.js';

export interface FailingBuildsetCancellerOptions {
  readonly filters: readonly {
    /** Builders whose failure ends the buildset. */
    readonly builders: readonly string[];
    /** Builders that are cancelled then. Default all others of the buildset. */
    readonly cancels?: readonly string[];
    /** Source stamps of which one has to match. Default any. */
    readonly filter?: Omit<FilterDefinition, 'category'>;
  }[];
}

export interface FailingBuildsetCancellerDefinition extends FailingBuildsetCancellerOptions {
  readonly kind: 'failing-buildset-canceller';
  readonly name: string;
}

/** Defines a service that cancels the rest of a buildset when one of its builders fails. */
export function failingBuildsetCanceller(
  name: string,
  options: FailingBuildsetCancellerOptions,
): FailingBuildsetCancellerDefinition {
  return locate(failingBuildsetCanceller, { ...options, kind: 'failing-buildset-canceller', name });
}

interface Own {
  readonly filters: readonly (ServiceFilter & {
    /** Null for all others of the buildset. */
    readonly cancels: readonly string[] | null;
  })[];
}

export const failingBuildsetCancellerKind: ServiceKind<Own> = {
  name: 'failing-buildset-canceller',
  compile: (reader, context) => ({
    filters: compileServiceFilters(reader, context, (item) => ({
      cancels: item.has('cancels') ? compileBuilderNames(item, 'cancels', context) : null,
    })),
  }),
  on: {
    failure: ({ name, filters }, { failed, sourceStamps, rest }) => {
      const applying = filters.filter(
        ({ builders, filter }) =>
          builders.includes(failed.builder) &&
          sourceStamps.some((stamp) => passes(filter, { ...stamp, category: null, properties: {} })),
      );
      const reason = `${name}: '${failed.builder}' failed for the same buildset`;
      return rest
        .filter(({ builder }) => applying.some(({ cancels }) => cancels?.includes(builder) ?? true))
        .map(({ requestId }) => ({ requestId, reason }));
    },
  },
};
