import { collapseKey, type Properties, type SourceStamp } from '@millrace/domain';
import { requestsOf } from '../claims/requests.js';
import { collapseIn, type CollapsedRequest } from '../collapsing.js';
import { assertOwner, type Ownership } from '../ownerships.js';
import { type Database, placeholders } from '../sql.js';

/** A waiting request that may have to be collapsed, or to take the place of another. */
export interface CollapsibleRequest {
  readonly requestId: number;
  readonly priority: number;
  readonly submittedAtMs: number;
  readonly reason: string;
  readonly properties: Properties;
  /** In the order of their codebases. */
  readonly sourceStamps: readonly SourceStamp[];
}

/** A question: which of the older requests are collapsed into a newer one. */
export interface CollapseQuestion {
  readonly builderId: number;
  readonly newer: CollapsibleRequest;
  /** The newest first. They have the same codebases, repositories, projects and branches. */
  readonly older: readonly (CollapsibleRequest & {
    /** Whether the usual rule would collapse it. */
    readonly isCompatible: boolean;
  })[];
}

/** Most older requests that are asked about for one newer. */
export const MOST_OLDER = 50;
/** Most rows of one statement. */
const BATCH = 100;

type Row = Omit<CollapsibleRequest, 'properties' | 'sourceStamps'>;

/**
 * What is left to ask callbacks about collapsing. A question is committed with its request and ends with its answer, or when the request
 * leaves the queue. One whose callback failed stays until then, so that people see it.
 */
export class CollapseQuestionStore {
  constructor(private readonly db: Database) {}

  /** Returns the first requests that a question is open for, the oldest first. */
  async open(): Promise<{ readonly requestIds: readonly number[]; readonly hasMore: boolean }> {
    const rows = await this.db.all<{ requestId: number }>(
      `SELECT request_id AS requestId FROM collapse_questions WHERE failed_at_ms IS NULL ORDER BY request_id LIMIT ${BATCH}`,
    );
    return { requestIds: rows.map(({ requestId }) => requestId), hasMore: rows.length === BATCH };
  }

  /** Returns a question; null when the request does not wait any more, or was given back and is left alone. */
  async question(requestId: number): Promise<CollapseQuestion | null> {
    const { db } = this;
    const queued = await db.get<{ builderId: number; collapseKey: string | null }>(
      `SELECT builder_id AS builderId, collapse_key AS collapseKey FROM queue WHERE request_id = ?`,
      [requestId],
    );
    if (!queued || queued.collapseKey === null) return null;
    const ids = await db.all<{ id: number }>(
      `SELECT request_id AS id FROM queue WHERE collapse_key = ? AND builder_id = ? AND request_id < ?
       ORDER BY request_id DESC LIMIT ${MOST_OLDER}`,
      [queued.collapseKey, queued.builderId, requestId],
    );
    const all = [requestId, ...ids.map(({ id }) => id)];
    const rows = await db.all<Row>(
      `SELECT r.id AS requestId, r.priority, r.submitted_at_ms AS submittedAtMs, s.reason
       FROM build_requests r JOIN buildsets s ON s.id = r.buildset_id WHERE r.id IN ${placeholders(all.length)}
       ORDER BY r.id DESC`,
      all,
    );
    const known = await requestsOf(db, all);
    const [newer, ...older] = rows.map((row) => {
      const { properties, sourceStamps, hasChanges } = known.get(row.requestId)!;
      const key = collapseKey({ sourceStamps, properties, isForChanges: hasChanges });
      return { key, request: { ...row, properties, sourceStamps } };
    });
    return {
      builderId: queued.builderId,
      newer: newer!.request,
      older: older.map(({ key, request }) => ({ ...request, isCompatible: key === newer!.key })),
    };
  }

  /**
   * Ends a question: collapses requests into the newer one, unless that or they have left the queue. The question stays open when an engine is
   * about to take the newer request.
   * @throws FencedError when another master is the owner
   */
  answer(owner: Ownership, requestId: number, collapsing: readonly number[]): Promise<readonly CollapsedRequest[]> {
    return this.db.transaction(async (tx) => {
      await assertOwner(tx, owner);
      const collapsed: CollapsedRequest[] = [];
      if (collapsing.length > 0) {
        const newer = await tx.get(
          `SELECT request_id FROM queue WHERE request_id = ?${tx.dialect.forUpdateSkipLocked}`,
          [requestId],
        );
        if (!newer) return [];
        const older = await tx.all<{ requestId: number; buildsetId: number; builderId: number }>(
          `SELECT id AS requestId, buildset_id AS buildsetId, builder_id AS builderId FROM build_requests
           WHERE id IN ${placeholders(collapsing.length)} ORDER BY id`,
          collapsing,
        );
        collapsed.push(
          ...(await collapseIn(
            tx,
            older.map((one) => ({ ...one, intoRequestId: requestId })),
          )),
        );
      }
      await tx.run(`DELETE FROM collapse_questions WHERE request_id = ?`, [requestId]);
      return collapsed;
    });
  }

  /**
   * Ends a question without an answer, and keeps the reason for as long as the request waits.
   * @throws FencedError when another master is the owner
   */
  fail(owner: Ownership, requestId: number, failure: string): Promise<void> {
    return this.db.transaction(async (tx) => {
      await assertOwner(tx, owner);
      await tx.run(
        `UPDATE collapse_questions SET failed_at_ms = ${tx.dialect.nowMs}, failure = ? WHERE request_id = ?`,
        [failure, requestId],
      );
    });
  }

  /** Forgets questions about requests that do not wait any more. */
  async forget(): Promise<void> {
    const { db } = this;
    const gone = await db.all<{ id: number }>(
      `SELECT c.request_id AS id FROM collapse_questions c LEFT JOIN queue q ON q.request_id = c.request_id
       WHERE q.request_id IS NULL LIMIT ${BATCH}`,
    );
    if (gone.length === 0) return;
    await db.run(
      `DELETE FROM collapse_questions WHERE request_id IN ${placeholders(gone.length)}`,
      gone.map(({ id }) => id),
    );
  }
}
