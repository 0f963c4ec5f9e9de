import type { Admission } from './facts.js';

/** A build begins with all locks of its builder and its worker, or not at all. */
export const locksAreFree: Admission = ({ lock }) =>
  lock === null ? null : { reason: 'locks', text: `without the lock '${lock.need.lock}'`, lock };
