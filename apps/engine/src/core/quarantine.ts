/** `attach`: the worker could not be attached. `lost`: it was lost while it attached, or immediately after a build began on it. */
export type WorkerFailure = 'attach' | 'lost';

export interface Quarantine {
  /** Failures in a row, this one included. */
  readonly failures: number;
  /** Length of the quarantine; 0 when there is none yet. */
  readonly quarantinedForMs: number;
}

/** Losses in a row without consequences. One may be the network's fault; so many in a row are not. */
export const LOSSES_ALLOWED = 2;
/** A build that is lost within this time after its beginning counts as a failure of its worker. */
export const LOST_AT_ONCE_MS = 15_000;
const FIRST_MS = 10_000;
const LONGEST_MS = 10 * 60_000;
/** After this time without a failure the count starts again. */
const FORGOTTEN_AFTER_MS = 60 * 60_000;

/** Returns the consequences of another failure: the quarantine takes twice as long as the last time. */
export function afterFailure(kind: WorkerFailure, failuresBefore: number, sinceLastMs: number | null): Quarantine {
  const before = sinceLastMs !== null && sinceLastMs > FORGOTTEN_AFTER_MS ? 0 : failuresBefore;
  const failures = before + 1;
  const counted = kind === 'attach' ? failures : failures - LOSSES_ALLOWED;
  return {
    failures,
    quarantinedForMs: counted < 1 ? 0 : Math.min(FIRST_MS * 2 ** (counted - 1), LONGEST_MS),
  };
}
