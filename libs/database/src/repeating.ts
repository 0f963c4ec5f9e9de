import { Result } from '@millrace/domain';
import type { CreatedBuildset } from './buildsets.js';
import type { CollapsedRequest } from './collapsing.js';
import { completeRequest } from './completing.js';
import type { Queryable, Transaction } from './sql.js';

/** A call of a step of the build that is repeated, and the cause of the buildset that it made. */
export interface RepeatedCall {
  readonly buildId: number;
  readonly step: number;
  readonly ordinal: number;
  readonly argsHash: string;
  readonly schedulerId: number;
  readonly cause: string;
}

interface RepeatedRequest {
  readonly requestId: number;
  readonly builderId: number;
  readonly results: Result | null;
  /** Its last attempt. Null for a request that another one stands for. */
  readonly buildId: number | null;
}

/**
 * Makes new requests repeat those of an earlier call that asked for the same: the good ones are not built again, the others repeat what
 * they triggered in turn.
 *
 * @returns the new requests that are complete by that
 */
export async function repeatCall(
  tx: Transaction,
  call: RepeatedCall,
  created: CreatedBuildset,
): Promise<CollapsedRequest[]> {
  const earlier = new Map((await requestsOf(tx, call)).map((request) => [request.builderId, request]));
  const kept: CollapsedRequest[] = [];
  for (const { requestId, builderId } of created.requests) {
    const old = earlier.get(builderId);
    if (!old) continue;
    if (isGood(old)) kept.push(await keep(tx, { requestId, buildsetId: created.buildsetId, builderId }, old));
    else if (old.buildId !== null)
      await tx.run(`UPDATE build_requests SET repeats_build_id = ? WHERE id = ?`, [old.buildId, requestId]);
  }
  return kept;
}

/** Whether a request was built well. One that was collapsed is skipped, too, but nobody knows how its like ended. */
function isGood({ results, buildId }: RepeatedRequest): boolean {
  return results === Result.SUCCESS || results === Result.WARNINGS || (results === Result.SKIPPED && buildId !== null);
}

/** Completes a new request with an old one's result, which stands for it from now on. */
async function keep(
  tx: Transaction,
  request: { requestId: number; buildsetId: number; builderId: number },
  old: RepeatedRequest,
): Promise<CollapsedRequest> {
  const { requestId, builderId } = request;
  await tx.defer(`DELETE FROM queue WHERE request_id = ?`, [requestId]);
  await tx.defer(`INSERT INTO collapsed_requests (request_id, into_request_id) VALUES (?, ?)`, [
    requestId,
    old.requestId,
  ]);
  const reason = `kept: build request ${old.requestId} was good`;
  const completedBuildsetId = await completeRequest(tx, request, old.results!, reason);
  return { requestId, builderId, intoRequestId: old.requestId, completedBuildsetId };
}

/** Returns the requests that the call made. None when it asked for something else then. */
function requestsOf(db: Queryable, call: RepeatedCall): Promise<RepeatedRequest[]> {
  return db.all<RepeatedRequest>(
    `SELECT r.id AS requestId, r.builder_id AS builderId, r.results AS results,
            (SELECT MAX(b.id) FROM builds b WHERE b.request_id = r.id) AS buildId
     FROM commands c JOIN buildsets s ON s.scheduler_id = ? AND s.cause = ? JOIN build_requests r ON r.buildset_id = s.id
     WHERE c.build_id = ? AND c.step_number = ? AND c.ordinal = ? AND c.args_hash = ?`,
    [call.schedulerId, call.cause, call.buildId, call.step, call.ordinal, call.argsHash],
  );
}
