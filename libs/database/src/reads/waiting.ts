import type { WaitReasonResource } from '@millrace/contracts';
import { type AdmissionFacts, refusalOfAll } from '@millrace/domain';
import { callbackWaitOf } from '../claims/choices.js';
import { builderWaitsFor } from '../locks/lock-texts.js';
import { aliveSql, leasedSql } from '../masters.js';
import type { Queryable } from '../sql.js';
import { heldBySql } from '../workers.js';

/** Earlier requests are counted up to this number. */
export const AHEAD_COUNTED = 1000;

/** What is known about a queued request's builder. */
interface Readiness {
  /** Whether any engine has the builder in its configuration, living or not. */
  readonly isConfigured: boolean;
  /** Number of living engines that serve the builder. */
  readonly engines: number;
  readonly workers: readonly AdmissionFacts[];
  /** What the builder's next requests wait for, such as `waiting for the lock 'db', which …`; null when not for a lock. */
  readonly lock: string | null;
  /** What a callback of the builder said last, such as `canStartBuild refused it on every free worker`; null for nothing. */
  readonly callback: string | null;
}

/** Returns why a request waits, according to the admissions that decide its claim, and to conditions outside of them. */
function waitReason(
  { isConfigured, engines, workers, lock, callback }: Readiness,
  ahead: number,
): Pick<WaitReasonResource, 'reason' | 'text'> {
  if (!isConfigured)
    return {
      reason: 'no-builder',
      text: 'No configuration has this builder any more. Cancel it, or add the builder again.',
    };
  if (engines === 0) return { reason: 'no-engine', text: 'No engine that serves this builder is running.' };
  if (workers.length === 0) return { reason: 'no-worker', text: 'No worker is configured for this builder.' };
  const refusal = refusalOfAll(workers);
  if (refusal) return { reason: refusal.reason, text: refusal.text };
  if (callback !== null)
    return { reason: 'callback', text: `A callback of this builder's configuration decides: ${callback}.` };
  if (lock !== null)
    return { reason: 'locks', text: ahead === 0 ? `It is ${lock}.` : `Requests before this one are ${lock}.` };
  return ahead === 0
    ? { reason: 'next', text: 'Next in line: an engine is about to take it.' }
    : { reason: 'workers-busy', text: 'Requests before this one are being handed out.' };
}

export class WaitingReads {
  constructor(private readonly db: Queryable) {}

  /** Returns why a request waits; null when there is no such request. */
  async of(requestId: number): Promise<WaitReasonResource | null> {
    const request = await this.db.get<{ builderId: number; rank: number | null; completeAtMs: number | null }>(
      `SELECT r.builder_id AS builderId, q.queue_rank AS \`rank\`, r.complete_at_ms AS completeAtMs
       FROM build_requests r LEFT JOIN queue q ON q.request_id = r.id WHERE r.id = ?`,
      [requestId],
    );
    if (!request) return null;
    const none = { buildrequestid: requestId, ahead: null, ahead_is_more: false };
    if (request.completeAtMs !== null) return { ...none, state: 'complete', reason: 'complete', text: 'Finished.' };
    if (request.rank === null)
      return { ...none, state: 'building', reason: 'building', text: 'An engine is building it.' };
    const counted = await this.db.get<{ ahead: number }>(
      `SELECT COUNT(*) AS ahead FROM (SELECT 1 FROM queue WHERE builder_id = ? AND queue_rank <= ?
         AND (queue_rank < ? OR request_id < ?) LIMIT ${AHEAD_COUNTED + 1}) q`,
      [request.builderId, request.rank, request.rank, requestId],
    );
    const ahead = counted!.ahead;
    const { reason, text } = waitReason(await this.readiness(request.builderId), ahead);
    const uncollapsed = await this.db.get<{ failure: string | null }>(
      `SELECT failure FROM collapse_questions WHERE request_id = ?`,
      [requestId],
    );
    return {
      buildrequestid: requestId,
      ahead: Math.min(ahead, AHEAD_COUNTED),
      ahead_is_more: ahead > AHEAD_COUNTED,
      state: 'waiting',
      reason,
      text: uncollapsed?.failure ? `${text} Older requests are not collapsed into it: ${uncollapsed.failure}.` : text,
    };
  }

  private async readiness(builderId: number): Promise<Readiness> {
    const engines = await this.db.get<{ all: number; living: number }>(
      `SELECT COUNT(*) AS \`all\`, COUNT(CASE WHEN ${leasedSql(this.db, 'm')} THEN 1 END) AS living
       FROM builder_masters b JOIN masters m ON m.id = b.master_id WHERE b.builder_id = ?`,
      [builderId],
    );
    const workers = await this.db.all<Omit<AdmissionFacts, 'place' | 'lock'> & { connected: number }>(
      `SELECT m.id IS NOT NULL AS connected, ${heldBySql(this.db)} AS heldBy, w.max_builds AS maxBuilds,
         (SELECT COUNT(*) FROM claims c WHERE c.worker_id = w.id) AS builds,
         (SELECT COUNT(*) FROM claims c WHERE c.worker_id = w.id AND c.builder_id = ?) AS buildsOfBuilder
       FROM (SELECT DISTINCT worker_id FROM worker_builders WHERE builder_id = ?) b JOIN workers w ON w.id = b.worker_id
       LEFT JOIN masters m ON m.id = w.master_id AND ${aliveSql(this.db, 'w.master_epoch')}`,
      [builderId, builderId],
    );
    return {
      isConfigured: engines!.all > 0,
      engines: engines!.living,
      workers: workers.map(({ connected, ...facts }) => ({
        ...facts,
        place: connected === 1 ? 'here' : 'away',
        lock: null,
      })),
      lock: await builderWaitsFor(this.db, builderId),
      callback: (await callbackWaitOf(this.db, builderId))?.text ?? null,
    };
  }
}
