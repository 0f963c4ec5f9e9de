import type { Head } from './distribution.js';

/** The queue of a builder, in figures. */
export interface QueueFigures {
  readonly requests: number;
  /** The highest id of a request. */
  readonly newest: number;
  /** The sum of all ranks. */
  readonly ranks: number;
}

/**
 * Returns whether heads in memory are all of a queue, so that it need not be read again. They are judged by figures: heads that are wrong in
 * spite of them are noticed when they cannot be claimed.
 */
export function areAllOf(heads: readonly Head[], { requests, newest, ranks }: QueueFigures): boolean {
  return (
    heads.length === requests &&
    heads.reduce((highest, { requestId }) => Math.max(highest, requestId), 0) === newest &&
    heads.reduce((sum, { rank }) => sum + rank, 0) === ranks
  );
}
