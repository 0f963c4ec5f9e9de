import { Result } from '@millrace/domain';
import { completeRequest } from './completing.js';
import { placeholders, type Queryable, rowPlaceholders, type Transaction } from './sql.js';

/** A request that waits, and that a new one may take the place of. */
export interface WaitingRequest {
  readonly requestId: number;
  readonly buildsetId: number;
  readonly builderId: number;
}

/** A request that was completed, because another one builds the same. */
export interface CollapsedRequest {
  readonly requestId: number;
  readonly builderId: number;
  readonly intoRequestId: number;
  /** The buildset that this completed. */
  readonly completedBuildsetId: number | null;
}

/** Most requests that one statement follows, well below what MySQL and MariaDB allow to a recursive query. */
export const FOLLOWED = 500;

/** The collapse keys of a buildset's requests. */
export interface CollapseKeys {
  /** For builders that collapse always. */
  readonly always: string;
  /** For builders whose callback is asked. */
  readonly asked: string;
}

/** What waits, and may be collapsed into the requests of a new buildset. */
export interface WhatWaits {
  readonly compatible: readonly WaitingRequest[];
  /** Builders whose callback is to be asked. */
  readonly askingBuilderIds: readonly number[];
}

/** Reads what a new buildset may collapse with the next statement. Found by an index, however long the queue is. */
export async function collapsibleRequests(
  tx: Transaction,
  { always, asked }: CollapseKeys,
  builderIds: readonly number[],
): Promise<() => WhatWaits> {
  if (builderIds.length === 0) return () => ({ compatible: [], askingBuilderIds: [] });
  const rows = await tx.deferAll<WaitingRequest | { readonly requestId: null; readonly builderId: number }>(
    `SELECT q.request_id AS requestId, r.buildset_id AS buildsetId, q.builder_id AS builderId
     FROM queue q JOIN builders b ON b.id = q.builder_id JOIN build_requests r ON r.id = q.request_id
     WHERE q.collapse_key = ? AND q.builder_id IN ${placeholders(builderIds.length)} AND b.collapse = 'always'
     UNION ALL
     SELECT NULL, NULL, b.id FROM builders b
     WHERE b.id IN ${placeholders(builderIds.length)} AND b.collapse = 'asked'
       AND EXISTS (SELECT 1 FROM queue q WHERE q.collapse_key = ? AND q.builder_id = b.id)`,
    [always, ...builderIds, ...builderIds, asked],
  );
  return () => {
    const compatible: WaitingRequest[] = [];
    const askingBuilderIds: number[] = [];
    for (const row of rows()) {
      if (row.requestId === null) askingBuilderIds.push(row.builderId);
      else compatible.push(row);
    }
    return { compatible, askingBuilderIds };
  };
}

/**
 * Collapses requests into newer ones. A request that an engine or another new request is taking at the same time is left out: it belongs
 * to whoever deletes its queue row. If that claim is refused, the request stays in the queue and is built by itself. Two compatible requests that are made at the same time do not see each other, and both are built.
 */
export async function collapseIn(
  tx: Transaction,
  requests: readonly (WaitingRequest & { readonly intoRequestId: number })[],
): Promise<CollapsedRequest[]> {
  if (requests.length === 0) return [];
  const locked = await tx.all<{ requestId: number }>(
    `SELECT request_id AS requestId FROM queue WHERE request_id IN ${placeholders(requests.length)}
     ORDER BY request_id${tx.dialect.forUpdateSkipLocked}`,
    requests.map(({ requestId }) => requestId),
  );
  const free = new Set(locked.map(({ requestId }) => requestId));
  const won = requests.filter(({ requestId }) => free.has(requestId));
  if (won.length === 0) return [];
  await tx.defer(
    `DELETE FROM queue WHERE request_id IN ${placeholders(won.length)}`,
    won.map(({ requestId }) => requestId),
  );
  await tx.defer(
    `INSERT INTO collapsed_requests (request_id, into_request_id) VALUES ${rowPlaceholders(won.length, 2)}`,
    won.flatMap(({ requestId, intoRequestId }) => [requestId, intoRequestId]),
  );
  const collapsed: CollapsedRequest[] = [];
  for (const { requestId, buildsetId, builderId, intoRequestId } of won) {
    const reason = `collapsed into build request ${intoRequestId}`;
    const completedBuildsetId = await completeRequest(tx, { requestId, buildsetId }, Result.SKIPPED, reason);
    collapsed.push({ requestId, builderId, intoRequestId, completedBuildsetId });
  }
  return collapsed;
}

/** Returns the request that is built in place of a request: itself unless it was collapsed. */
export async function standingFor(db: Queryable, requestId: number): Promise<number> {
  for (let id = requestId; ;) {
    const next = await db.get<{ id: number; depth: number }>(
      `WITH RECURSIVE chain (request_id, depth) AS (
         SELECT into_request_id, 1 FROM collapsed_requests WHERE request_id = ?
         UNION ALL
         SELECT n.into_request_id, c.depth + 1 FROM chain c JOIN collapsed_requests n ON n.request_id = c.request_id
         WHERE c.depth < ${FOLLOWED})
       SELECT request_id AS id, depth FROM chain ORDER BY depth DESC LIMIT 1`,
      [id],
    );
    if (!next) return id;
    id = next.id;
    if (next.depth < FOLLOWED) return id;
  }
}

/** Returns the changes that a request is built for, those of the requests that were collapsed into it among them, newest first. */
export async function changesBehind(db: Queryable, requestId: number, limit: number): Promise<number[]> {
  // LEFT keeps the optimizer from beginning with all changes.
  const rows = await db.all<{ id: number | null }>(
    `WITH RECURSIVE behind (request_id, depth) AS (
       SELECT id, 0 FROM build_requests WHERE id = ?
       UNION ALL
       SELECT n.request_id, b.depth + 1 FROM behind b JOIN collapsed_requests n ON n.into_request_id = b.request_id
       WHERE b.depth < ${FOLLOWED})
     SELECT DISTINCT c.change_id AS id FROM behind b LEFT JOIN build_requests r ON r.id = b.request_id
       LEFT JOIN buildset_changes c ON c.buildset_id = r.buildset_id
     ORDER BY c.change_id DESC LIMIT ${Math.trunc(limit)}`,
    [requestId],
  );
  return rows.flatMap(({ id }) => (id === null ? [] : [id]));
}
