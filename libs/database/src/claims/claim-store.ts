import { Result } from '@millrace/domain';
import { aliveSql, type Incarnation } from '../masters.js';
import { chunked, type Database, placeholders } from '../sql.js';
import { type ClaimCandidate, type ClaimedBuild, claimIn } from './claiming.js';
import { type BuildEnd, type EndedBuild, endBuildIn } from './ending.js';
import { assertClaimed, type BuildKey } from './fence.js';

/** The first request in a builder's queue. */
export interface QueuedRequest {
  readonly requestId: number;
  readonly builderId: number;
  /** −priority: the lowest comes first. */
  readonly rank: number;
}

/** The queue of a builder, in figures. */
export interface QueueSummary {
  readonly builderId: number;
  readonly requests: number;
  /** The highest id of a request. */
  readonly newest: number;
  /** The sum of all ranks. */
  readonly ranks: number;
}

/** Most queues that one statement reads. */
const BRANCHES = 100;
/** Most builders of a list. */
const BUILDERS_AT_ONCE = 500;

/** An attempt that nobody works on: its engine is gone, or its worker is away. */
export interface Orphan extends BuildKey {
  readonly masterId: number;
  readonly masterEpoch: number;
  readonly master: string;
  /** True when the engine holds its lease and only the worker is away. */
  readonly engineIsAlive: boolean;
  /**
   * True when the worker may come back and go on with the build (I9), so that it is reaped only after a long wait. False for a build that
   * is to be stopped.
   */
  readonly mayResume: boolean;
  /** True when the worker has a session with another incarnation than the claim's. Its builds are adopted there, if anywhere. */
  readonly workerIsElsewhere: boolean;
  /** How long the worker has been away, if an engine could still record it. */
  readonly parkedForMs: number | null;
}

/** Queue and claims, as engines use them. Prepared SQL: every build uses it, and most writes are deferred, which repositories cannot do. */
export class ClaimStore {
  constructor(private readonly db: Database) {}

  /** Returns what tells whether a queue has changed, of every builder with queued requests. An index has all of it. */
  queues(): Promise<QueueSummary[]> {
    return this.db.all<QueueSummary>(
      `SELECT builder_id AS builderId, COUNT(*) AS requests, MAX(request_id) AS newest, CAST(SUM(queue_rank) AS SIGNED) AS ranks
       FROM queue GROUP BY builder_id`,
    );
  }

  /** Returns the queued requests with higher ids than one, by the primary key. */
  queuedSince(requestId: number): Promise<Pick<QueuedRequest, 'requestId' | 'builderId'>[]> {
    return this.db.all(
      `SELECT request_id AS requestId, builder_id AS builderId FROM queue WHERE request_id > ? ORDER BY request_id`,
      [requestId],
    );
  }

  /**
   * Returns all queued requests of builders whose queues are short, by parts of an index that do not overlap: at most as many rows are read
   * as there are, where `heads` has a branch for each builder.
   */
  async allQueued(builderIds: readonly number[]): Promise<QueuedRequest[]> {
    const queued: QueuedRequest[] = [];
    for (const some of chunked(
      [...builderIds].sort((a, b) => a - b),
      BUILDERS_AT_ONCE,
    ))
      for (const one of await this.db.all<QueuedRequest>(
        `SELECT request_id AS requestId, builder_id AS builderId, queue_rank AS \`rank\` FROM queue
         WHERE builder_id BETWEEN ? AND ? AND builder_id + 0 IN ${placeholders(some.length)}`,
        [some[0]!, some.at(-1)!, ...some],
      ))
        queued.push(one);
    return queued;
  }

  /**
   * Returns the first `limit` requests of each builder, the best of a builder first. Every branch of the statement reads as many rows as it
   * returns, however long the queues are.
   */
  async heads(builderIds: readonly number[], limit: number): Promise<QueuedRequest[]> {
    const one = `SELECT request_id AS requestId, builder_id AS builderId, queue_rank AS \`rank\` FROM queue
       WHERE builder_id = ? ORDER BY queue_rank, request_id LIMIT ${Math.trunc(limit)}`;
    const heads: QueuedRequest[] = [];
    for (const some of chunked(builderIds, BRANCHES)) {
      const sql = some.length === 1 ? one : some.map(() => `SELECT * FROM (${one}) AS q`).join(' UNION ALL ');
      for (const head of await this.db.all<QueuedRequest>(sql, some)) heads.push(head);
    }
    return heads;
  }

  async claim(me: Incarnation, candidates: readonly ClaimCandidate[]): Promise<readonly ClaimedBuild[]> {
    return (await this.db.transaction((tx) => claimIn(tx, me, candidates))).builds;
  }

  /**
   * Returns the claims whose engine has died, begun another life or let its lease run out, and those whose worker is away. Judged on the
   * database's clock.
   */
  async orphans(): Promise<Orphan[]> {
    const alive = aliveSql(this.db, 'c.master_epoch');
    const rows = await this.db.all<
      Omit<Orphan, 'engineIsAlive' | 'mayResume' | 'workerIsElsewhere'> & {
        alive: number;
        mayResume: number;
        elsewhere: number;
      }
    >(
      `SELECT c.build_id AS buildId, c.request_id AS requestId, b.buildset_id AS buildsetId, c.builder_id AS builderId,
              c.epoch AS epoch, m.name AS master, c.master_id AS masterId, c.master_epoch AS masterEpoch,
              ${alive} AS alive, COALESCE(w.master_id <> c.master_id OR w.master_epoch <> c.master_epoch, 0) AS elsewhere,
              ${this.db.dialect.nowMs} - c.parked_at_ms AS parkedForMs,
              (w.resumes = 1 AND NOT EXISTS (SELECT 1 FROM steps s
                WHERE s.build_id = c.build_id AND s.complete_at_ms IS NULL AND s.resumable = 0)
               AND NOT EXISTS (SELECT 1 FROM master_commands o
                WHERE o.done_at_ms IS NULL AND o.kind = 'stop-build' AND o.subject_id = c.build_id)) AS mayResume
       FROM claims c JOIN masters m ON m.id = c.master_id JOIN builds b ON b.id = c.build_id JOIN workers w ON w.id = c.worker_id
       WHERE c.parked_at_ms IS NOT NULL OR NOT ${alive}
       ORDER BY mayResume LIMIT 200`,
    );
    return rows.map(({ alive: engineIsAlive, mayResume, elsewhere, ...row }) => ({
      ...row,
      engineIsAlive: engineIsAlive === 1,
      mayResume: mayResume === 1,
      workerIsElsewhere: elsewhere === 1,
    }));
  }

  /**
   * Gives an orphan's request back to the queue. Returns null when another engine did so first, when its engine or its worker came back, or
   * when that engine stands still in the middle of a transaction about it: the other orphans do not wait for this one.
   */
  reap(orphan: Orphan, stateString = `retry: engine ${orphan.master} went away`): Promise<EndedBuild | null> {
    return this.db.transaction(async (tx) => {
      const row = await tx.get(
        `SELECT c.request_id FROM claims c JOIN masters m ON m.id = c.master_id
         WHERE c.request_id = ? AND c.epoch = ? AND (c.parked_at_ms IS NOT NULL OR NOT ${aliveSql(tx, 'c.master_epoch')})${tx.dialect.forUpdateSkipLocked}`,
        [orphan.requestId, orphan.epoch],
      );
      if (!row) return null;
      return endBuildIn(tx, orphan, { results: Result.RETRY, stateString, death: !orphan.engineIsAlive });
    });
  }

  /** Returns the builds that this incarnation works on according to the database. */
  held(me: Incarnation): Promise<BuildKey[]> {
    return this.db.all<BuildKey>(
      `SELECT c.build_id AS buildId, c.request_id AS requestId, b.buildset_id AS buildsetId, c.builder_id AS builderId, c.epoch AS epoch
       FROM claims c JOIN builds b ON b.id = c.build_id
       WHERE c.master_id = ? AND c.master_epoch = ? AND c.parked_at_ms IS NULL`,
      [me.masterId, me.epoch],
    );
  }

  /** Ends one of our attempts outside the journal, when we found its claim but never began it. */
  end(key: BuildKey, end: BuildEnd): Promise<EndedBuild> {
    return this.db.transaction(async (tx) => {
      await assertClaimed(tx, [key]);
      return endBuildIn(tx, key, end);
    });
  }
}
