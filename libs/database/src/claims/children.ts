import { type Cancelled, cancelRequestIn, type CancellableRequest } from '../actions/cancelling.js';
import type { Transaction } from '../sql.js';

/**
 * SQL: whether a build of the request `r` has triggered buildsets that are not complete. It is part of every build's end, and is written so
 * that the index of incomplete buildsets, however many there are, is no choice.
 */
export const HAS_CHILDREN = `EXISTS (SELECT 1 FROM builds a JOIN buildsets k ON k.parent_build_id = a.id
  WHERE a.request_id = r.id AND COALESCE(k.complete_at_ms, 0) = 0)`;

/** Cancels what the attempts at a request wait for: queued requests are completed, running builds stopped by whoever has them. */
export async function cancelChildren(tx: Transaction, requestId: number, reason: string): Promise<Cancelled[]> {
  const requests = await tx.all<CancellableRequest>(
    `SELECT c.id AS requestId, c.builder_id AS builderId, c.buildset_id AS buildsetId
     FROM builds a JOIN buildsets k ON k.parent_build_id = a.id JOIN build_requests c ON c.buildset_id = k.id
     WHERE a.request_id = ? AND k.complete_at_ms IS NULL AND c.complete_at_ms IS NULL AND c.waited_for = 1 ORDER BY c.id`,
    [requestId],
  );
  const cancelled: Cancelled[] = [];
  for (const request of requests) cancelled.push(await cancelRequestIn(tx, request, reason));
  return cancelled;
}
