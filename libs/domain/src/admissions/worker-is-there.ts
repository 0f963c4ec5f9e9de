import type { Admission } from './facts.js';

/** A build begins in the session that its engine has seen, or on a worker that is started for it. */
export const workerIsThere: Admission = ({ place }) => {
  switch (place) {
    case 'here':
    case 'startable':
      return null;
    case 'elsewhere':
      return { reason: 'no-worker', text: 'connected anew, or to another engine' };
    case 'away':
      return { reason: 'no-worker', text: 'not connected' };
  }
};
