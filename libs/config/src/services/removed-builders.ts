import type { ServiceKind } from './kind.js';

/** Name and kind of the service that the option `removedBuilders` makes. */
export const REMOVED_BUILDERS = 'removed-builders';

/** The service that cancels the waiting requests of builders that have left the configuration. It has no options. */
export const removedBuildersKind: ServiceKind = {
  name: REMOVED_BUILDERS,
  compile: () => ({}),
  on: {
    removed: (_service, waiting) =>
      waiting.map(({ requestId, builder }) => ({
        requestId,
        reason: `no configuration has the builder '${builder}' any more`,
      })),
  },
};
