import type { Admission } from './facts.js';

/** A worker has no more builds than it may have, whichever engines they are on. */
export const workerHasRoom: Admission = ({ builds, maxBuilds }) =>
  builds < maxBuilds ? null : { reason: 'workers-busy', text: 'busy' };
