import type { Admission, AdmissionFacts } from './facts.js';

const TEXTS: Readonly<Record<NonNullable<AdmissionFacts['heldBy']>, string>> = {
  pause: 'paused',
  shutdown: 'about to shut down',
  quarantine: 'in quarantine after failures',
};

/** A worker gets no builds while people or its failures hold it back. */
export const workerIsNotHeld: Admission = ({ heldBy }) =>
  heldBy === null ? null : { reason: 'workers-paused', text: TEXTS[heldBy] };
