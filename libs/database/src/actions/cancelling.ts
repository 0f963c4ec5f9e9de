import { Result } from '@millrace/domain';
import { completeRequest } from '../completing.js';
import { ClaimEntity, QueueEntity } from '../entities/requests.js';
import type { Transaction } from '../sql.js';
import { command } from './commands.js';

export interface CancellableRequest {
  readonly requestId: number;
  readonly builderId: number;
  readonly buildsetId: number;
}

export type Cancelled =
  /** The request was still queued, and is complete now. */
  | {
      readonly outcome: 'cancelled';
      readonly requestId: number;
      readonly builderId: number;
      readonly completedBuildsetId: number | null;
    }
  /** An engine has been asked to stop the build. */
  | { readonly outcome: 'stopping'; readonly masterId: number }
  | { readonly outcome: 'already-complete' };

/** Completes a queued request as cancelled, or asks the engine that has its build to stop it. */
export async function cancelRequestIn(
  tx: Transaction,
  { requestId, builderId, buildsetId }: CancellableRequest,
  reason: string,
): Promise<Cancelled> {
  // Engines claim by deleting the queue row, too: whoever deletes it decides.
  const { affected } = await (await tx.repository(QueueEntity)).delete({ requestId });
  if (affected === 1) {
    const completedBuildsetId = await completeRequest(tx, { requestId, buildsetId }, Result.CANCELLED, reason);
    return { outcome: 'cancelled', requestId, builderId, completedBuildsetId };
  }
  const claim = await (await tx.repository(ClaimEntity)).findOneBy({ requestId });
  if (!claim) return { outcome: 'already-complete' };
  await command(tx, claim.masterId, { kind: 'stop-build', buildId: claim.buildId, reason });
  return { outcome: 'stopping', masterId: claim.masterId };
}
