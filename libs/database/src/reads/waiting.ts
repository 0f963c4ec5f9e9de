import type { WaitReasonResource } from '@millrace/contracts';
import type { Queryable } from '../sql.js';

/** Requests before one's own are counted up to here. */
export const AHEAD_COUNTED = 1000;

/** What is known about the workers of a queued request's builder. */
export interface Readiness {
  /** Engines that are alive and serve the builder. */
  readonly engines: number;
  readonly workers: readonly { readonly connected: boolean; readonly paused: boolean; readonly free: boolean }[];
}

/** Why the head of a builder's queue is not being built, from the most to the least serious. */
export function waitReason(
  readiness: Readiness,
  ahead: number,
): { reason: WaitReasonResource['reason']; text: string } {
  const { engines, workers } = readiness;
  if (engines === 0) return { reason: 'no-engine', text: 'No engine that serves this builder is running.' };
  if (workers.length === 0) return { reason: 'no-worker', text: 'No worker is configured for this builder.' };
  const connected = workers.filter((worker) => worker.connected);
  if (connected.length === 0) {
    const which =
      workers.length === 1 ? 'The worker of this builder is' : `None of this builder's ${workers.length} workers is`;
    return { reason: 'no-worker', text: `${which} ${workers.length === 1 ? 'not connected' : 'connected'}.` };
  }
  const usable = connected.filter((worker) => !worker.paused);
  if (usable.length === 0)
    return { reason: 'workers-paused', text: 'Every connected worker of this builder is paused.' };
  if (!usable.some((worker) => worker.free)) {
    return { reason: 'workers-busy', text: 'All connected workers of this builder are busy.' };
  }
  return ahead === 0
    ? { reason: 'next', text: 'Next in line: an engine is about to take it.' }
    : { reason: 'workers-busy', text: 'Requests before this one are being handed out.' };
}

export class WaitingReads {
  constructor(private readonly db: Queryable) {}

  /** Null: no such request. */
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
    return {
      buildrequestid: requestId,
      ahead: Math.min(ahead, AHEAD_COUNTED),
      ahead_is_more: ahead > AHEAD_COUNTED,
      state: 'waiting',
      ...waitReason(await this.readiness(request.builderId), ahead),
    };
  }

  private async readiness(builderId: number): Promise<Readiness> {
    const alive = `m.state <> 'stopped' AND m.lease_until_ms > ${this.db.dialect.nowMs}`;
    const engines = await this.db.get<{ n: number }>(
      `SELECT COUNT(*) AS n FROM builder_masters b JOIN masters m ON m.id = b.master_id WHERE b.builder_id = ? AND ${alive}`,
      [builderId],
    );
    const workers = await this.db.all<{ connected: number; paused: number; maxBuilds: number; builds: number }>(
      `SELECT m.id IS NOT NULL AS connected, (w.paused = 1 OR w.graceful = 1 OR COALESCE(w.quarantined_until_ms, 0) > ${this.db.dialect.nowMs}) AS paused, w.max_builds AS maxBuilds,
         (SELECT COUNT(*) FROM claims c WHERE c.worker_id = w.id) AS builds
       FROM (SELECT DISTINCT worker_id FROM worker_builders WHERE builder_id = ?) b JOIN workers w ON w.id = b.worker_id
       LEFT JOIN masters m ON m.id = w.master_id AND m.epoch = w.master_epoch AND ${alive}`,
      [builderId],
    );
    return {
      engines: engines!.n,
      workers: workers.map((row) => ({
        connected: row.connected === 1,
        paused: row.paused === 1,
        free: row.builds < row.maxBuilds,
      })),
    };
  }
}
