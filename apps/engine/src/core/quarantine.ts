/** `attach`: it could not be made use of. `lost`: it went away while it attached, or at once after a build was begun on it. */
export type WorkerFailure = 'attach' | 'lost';

export interface Quarantine {
  /** In a row, this one included. */
  readonly failures: number;
  /** 0: not yet. */
  readonly quarantinedForMs: number;
}

/** A lost connection may be the network's doing; so many in a row are not. */
export const LOSSES_ALLOWED = 2;
/** A build that is lost so soon after it was begun counts as a failure of its worker. */
export const LOST_AT_ONCE_MS = 15_000;
const FIRST_MS = 10_000;
const LONGEST_MS = 10 * 60_000;
/** A worker that has not failed for so long begins anew. */
const FORGOTTEN_AFTER_MS = 60 * 60_000;

/** What follows from another failure: twice as long without builds as the last time. */
export function afterFailure(kind: WorkerFailure, failuresBefore: number, sinceLastMs: number | null): Quarantine {
  const before = sinceLastMs !== null && sinceLastMs > FORGOTTEN_AFTER_MS ? 0 : failuresBefore;
  const failures = before + 1;
  const counted = kind === 'attach' ? failures : failures - LOSSES_ALLOWED;
  return {
    failures,
    quarantinedForMs: counted < 1 ? 0 : Math.min(FIRST_MS * 2 ** (counted - 1), LONGEST_MS),
  };
}
