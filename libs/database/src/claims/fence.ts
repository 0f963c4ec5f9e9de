import { FencedError } from '@millrace/domain';
import { placeholders, type Transaction } from '../sql.js';

/** Identifies one attempt. `epoch` fences every write about it (I3). */
export interface BuildKey {
  readonly buildId: number;
  readonly requestId: number;
  readonly buildsetId: number;
  readonly builderId: number;
  readonly epoch: number;
}

/**
 * Locks the claims of these builds. Every write about a build comes after it, in the same transaction (the fence guards inserts too).
 * @returns the ids of the builds that are still ours
 */
export async function claimedOf(tx: Transaction, keys: readonly BuildKey[]): Promise<Set<number>> {
  const claimed = await deferClaimedOf(tx, keys);
  await tx.sendDeferred();
  return claimed();
}

/**
 * Locks the claims of these builds as `claimedOf` does, together with what is sent next.
 * @returns what returns the ids of the builds that are still ours, to be asked before anything is written about one
 */
export async function deferClaimedOf(tx: Transaction, keys: readonly BuildKey[]): Promise<() => Set<number>> {
  const rows = await tx.deferAll<{ requestId: number; epoch: number }>(
    `SELECT request_id AS requestId, epoch FROM claims WHERE request_id IN ${placeholders(keys.length)}${tx.dialect.forUpdate}`,
    keys.map((key) => key.requestId),
  );
  return () => {
    const epochs = new Map(rows().map((row) => [row.requestId, row.epoch]));
    return new Set(keys.filter((key) => epochs.get(key.requestId) === key.epoch).map((key) => key.buildId));
  };
}

/**
 * Locks the claims of these builds.
 * @throws FencedError when one is not ours any more
 */
export async function assertClaimed(tx: Transaction, keys: readonly BuildKey[]): Promise<void> {
  const ours = await claimedOf(tx, keys);
  for (const key of keys) if (!ours.has(key.buildId)) throw new FencedError(`build ${key.buildId}`, { ...key });
}
