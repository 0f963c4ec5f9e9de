import type { Admission, AdmissionFacts } from './facts.js';

const TEXTS: Readonly<Record<NonNullable<AdmissionFacts['heldBy']>, string>> = {
  pause: 'paused',
  shutdown: 'about to shut down',
  quarantine: 'in quarantine after failures',
};

/** People, or failures, keep builds from a worker. */
export const workerIsNotHeld: Admission = ({ heldBy }) =>
  heldBy === null ? null : { reason: 'workers-paused', text: TEXTS[heldBy] };
