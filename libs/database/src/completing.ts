import { Result, worstOf } from '@millrace/domain';
import type { Transaction } from './sql.js';

/**
 * Completes a build request, and with the last one its buildset.
 * @returns the buildset's id when this completed it
 */
export async function completeRequest(
  tx: Transaction,
  request: { requestId: number; buildsetId: number },
  results: Result,
  reason: string | null = null,
): Promise<number | null> {
  const complete = await deferCompletion(tx, request, results, reason);
  await tx.sendDeferred();
  return complete();
}

/**
 * Completes a build request as `completeRequest` does.
 * @returns what completes the buildset, once these statements were sent, before the commit
 */
export async function deferCompletion(
  tx: Transaction,
  request: { requestId: number; buildsetId: number },
  results: Result,
  reason: string | null = null,
): Promise<() => Promise<number | null>> {
  const now = tx.dialect.nowMs;
  await tx.defer(`UPDATE build_requests SET complete_at_ms = ${now}, results = ?, reason = ? WHERE id = ?`, [
    results,
    reason,
    request.requestId,
  ]);
  // The row lock taken here makes the last of several concurrent finishers see the results of all others.
  await tx.defer(`UPDATE buildsets SET requests_left = requests_left - 1 WHERE id = ?`, [request.buildsetId]);
  const read = await tx.deferAll<{ left: number; all: string | null }>(
    `SELECT s.requests_left AS \`left\`, CASE WHEN s.requests_left = 0 THEN (
       SELECT GROUP_CONCAT(DISTINCT COALESCE(r.results, ${Result.EXCEPTION})) FROM build_requests r WHERE r.buildset_id = s.id
     ) END AS \`all\` FROM buildsets s WHERE s.id = ?`,
    [request.buildsetId],
  );
  return async () => {
    const buildset = read()[0]!;
    if (buildset.left !== 0) return null;
    const worst = worstOf((buildset.all ?? '').split(',').map((results) => Number(results) as Result));
    await completeBuildset(tx, request.buildsetId, worst);
    return request.buildsetId;
  };
}

/**
 * Completes a buildset. Done at the end of the transaction, because everybody who finishes a buildset waits for the counter from there to
 * the commit. This makes the order of `seq` the order in which finished buildsets become visible (`docs/adr/0004-sequence-not-ids.md`).
 */
export async function completeBuildset(tx: Transaction, buildsetId: number, results: Result): Promise<void> {
  await tx.deferToEnd(`UPDATE counters SET value = value + 1 WHERE name = 'buildset-seq'`);
  await tx.deferToEnd(
    `UPDATE buildsets SET complete_at_ms = ${tx.dialect.nowMs}, results = ?,
       seq = (SELECT value FROM counters WHERE name = 'buildset-seq') WHERE id = ?`,
    [results, buildsetId],
  );
}
