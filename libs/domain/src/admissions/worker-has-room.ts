import type { Admission } from './facts.js';

/** A worker has no more builds than its maximum, on all engines together. */
export const workerHasRoom: Admission = ({ builds, maxBuilds }) =>
  builds < maxBuilds ? null : { reason: 'workers-busy', text: 'busy' };
