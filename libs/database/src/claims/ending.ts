import { Result } from '@millrace/domain';
import type { Cancelled } from '../actions/cancelling.js';
import { stopReason } from '../actions/commands.js';
import { deferCompletion } from '../completing.js';
import { placeholders, type Transaction } from '../sql.js';
import { cancelChildren, HAS_CHILDREN } from './children.js';
import type { BuildKey } from './fence.js';
import { deferPreparation } from './preparation.js';

/** How an attempt ended. `death`: its engine or its runner died, which is retried a limited number of times. */
export interface BuildEnd {
  readonly results: Result;
  readonly stateString: string;
  readonly death?: boolean;
}

export interface EndedBuild {
  readonly buildId: number;
  readonly requestId: number;
  readonly builderId: number;
  /** True when the request is in the queue again. */
  readonly requeued: boolean;
  readonly completedBuildsetId: number | null;
  /** Id of the step that says why the build ended before its steps began; null when they had begun. */
  readonly preparationId: number | null;
  /** Locks that somebody else may have now, or that have one waiting step less. */
  readonly leftLockIds: readonly number[];
  /** The requests that the build waited for, if any, which nobody needs any more. */
  readonly children: readonly Cancelled[];
}

/** Attempts of a request that may end with the death of their engine or runner. */
export const DEATHS_ALLOWED = 3;
/** Most attempts of a request, whatever they end with: a build that takes its worker down every time must not do so for ever. */
export const ATTEMPTS_ALLOWED = 20;

/** What the end of an attempt depends on. */
export interface EndFacts {
  readonly requestId: number;
  readonly attempts: number;
  readonly deaths: number;
  readonly priority: number;
  readonly submittedAtMs: number;
  /** Ids of locks, separated by commas; null for none. */
  readonly held: string | null;
  readonly waitedFor: string | null;
  readonly hasChildren: number;
}

function lockIdsOf({ held, waitedFor }: EndFacts): number[] {
  return [...new Set([held, waitedFor].flatMap((ids) => ids?.split(',').map(Number) ?? []))];
}

/**
 * Reads what the ends of attempts depend on, after their claims were locked in this transaction.
 * @returns what returns that by request, once something else was sent
 */
export async function deferEndFacts(
  tx: Transaction,
  keys: readonly BuildKey[],
): Promise<() => ReadonlyMap<number, EndFacts>> {
  if (keys.length === 0) return () => new Map();
  const rows = await tx.deferAll<EndFacts>(
    `SELECT r.id AS requestId, r.attempts, r.deaths, r.priority, r.submitted_at_ms AS submittedAtMs, ${HAS_CHILDREN} AS hasChildren,
       (SELECT GROUP_CONCAT(lock_id) FROM lock_holds WHERE build_id = c.build_id) AS held,
       (SELECT GROUP_CONCAT(lock_id) FROM lock_waits WHERE build_id = c.build_id) AS waitedFor
     FROM claims c ${tx.dialect.joinInOrder} build_requests r ON r.id = c.request_id
     WHERE c.request_id IN ${placeholders(keys.length)}`,
    keys.map(({ requestId }) => requestId),
  );
  return () => new Map(rows().map((row) => [row.requestId, row]));
}

/** What is recorded of a build's steps. `open`: some of them, or logs of theirs, may not have ended. */
export type StepsSoFar = 'none' | 'open' | 'ended';

/** Ends an attempt whose claim is locked in this transaction. Its request is completed, or queued again after RETRY. */
export async function endBuildIn(tx: Transaction, key: BuildKey, end: BuildEnd): Promise<EndedBuild> {
  const facts = await deferEndFacts(tx, [key]);
  await tx.sendDeferred();
  const step = await tx.get(`SELECT 1 FROM steps WHERE build_id = ? LIMIT 1`, [key.buildId]);
  const ended = await deferEnd(tx, key, end, { facts: facts().get(key.requestId)!, steps: step ? 'open' : 'none' });
  await tx.sendDeferred();
  return ended();
}

/**
 * Ends an attempt as `endBuildIn` does.
 * @returns what does the rest, once these statements were sent, before the commit
 */
export async function deferEnd(
  tx: Transaction,
  key: BuildKey,
  end: BuildEnd,
  { facts: request, steps }: { readonly facts: EndFacts; readonly steps: StepsSoFar },
): Promise<() => Promise<EndedBuild>> {
  const now = tx.dialect.nowMs;
  const leftLockIds = lockIdsOf(request);
  const { results, stateString } = await verdict(tx, key, request, end);
  await tx.defer(
    `UPDATE builds SET complete_at_ms = ${now}, results = ?, state_string = ? WHERE id = ? AND complete_at_ms IS NULL`,
    [results, stateString, key.buildId],
  );
  const preparation = steps === 'none' ? await deferPreparation(tx, key.buildId, { results, stateString }) : null;
  if (steps === 'open') {
    await tx.defer(
      `UPDATE steps SET complete_at_ms = ${now}, results = ? WHERE build_id = ? AND complete_at_ms IS NULL`,
      [results, key.buildId],
    );
    await tx.defer(`UPDATE logs SET complete = 1 WHERE build_id = ? AND complete = 0`, [key.buildId]);
  }
  await tx.defer(`DELETE FROM claims WHERE request_id = ? AND epoch = ?`, [key.requestId, key.epoch]);
  if (leftLockIds.length > 0)
    for (const table of ['lock_holds', 'lock_waits'])
      await tx.defer(`DELETE FROM ${table} WHERE build_id = ?`, [key.buildId]);
  await tx.defer(
    `UPDATE master_commands SET done_at_ms = ${now}, result = 'the build has ended'
     WHERE done_at_ms IS NULL AND kind = 'stop-build' AND subject_id = ?`,
    [key.buildId],
  );
  const ended = () => ({
    ...{ buildId: key.buildId, requestId: key.requestId, builderId: key.builderId, leftLockIds },
    preparationId: preparation?.() ?? null,
  });
  if (results === Result.RETRY) {
    await tx.defer(
      `UPDATE build_requests SET claimed_at_ms = NULL, claimed_by_master_id = NULL, deaths = deaths + ? WHERE id = ?`,
      [end.death ? 1 : 0, key.requestId],
    );
    await tx.defer(`INSERT INTO queue (request_id, builder_id, queue_rank, submitted_at_ms) VALUES (?, ?, ?, ?)`, [
      key.requestId,
      key.builderId,
      -request.priority,
      request.submittedAtMs,
    ]);
    // Children go on: the next attempt takes them over.
    return async () => ({ ...ended(), requeued: true, completedBuildsetId: null, children: [] });
  }
  const complete = await deferCompletion(tx, key, results, results === end.results ? null : stateString);
  const isGreen = results === Result.SUCCESS || results === Result.WARNINGS;
  // MariaDB sets columns from left to right, each to what those before it have become: the results come before the id that they belong to.
  await tx.defer(
    `UPDATE builders SET latest_results = CASE WHEN COALESCE(latest_build_id, 0) < ? THEN ? ELSE latest_results END,
       latest_build_id = CASE WHEN COALESCE(latest_build_id, 0) < ? THEN ? ELSE latest_build_id END
       ${isGreen ? `, latest_green_build_id = CASE WHEN COALESCE(latest_green_build_id, 0) < ? THEN ? ELSE latest_green_build_id END` : ''}
     WHERE id = ?`,
    [
      ...[key.buildId, results, key.buildId, key.buildId],
      ...(isGreen ? [key.buildId, key.buildId] : []),
      key.builderId,
    ],
  );
  const why = `build ${key.buildId}, which waited for it, has ended`;
  const children = request.hasChildren === 1 ? await cancelChildren(tx, key.requestId, why) : [];
  return async () => ({ ...ended(), requeued: false, completedBuildsetId: await complete(), children });
}

/** Returns RETRY unless the request was cancelled meanwhile or has been tried often enough. */
async function verdict(
  tx: Transaction,
  key: BuildKey,
  request: { attempts: number; deaths: number },
  end: BuildEnd,
): Promise<{ results: Result; stateString: string }> {
  if (end.results !== Result.RETRY) return end;
  const stop = await tx.get<{ args: string }>(
    `SELECT args FROM master_commands WHERE done_at_ms IS NULL AND kind = 'stop-build' AND subject_id = ? ORDER BY id LIMIT 1`,
    [key.buildId],
  );
  if (stop) {
    return { results: Result.CANCELLED, stateString: `cancelled (${stopReason(stop.args)})` };
  }
  if (end.death && request.deaths + 1 >= DEATHS_ALLOWED) {
    return {
      results: Result.EXCEPTION,
      stateString: `exception: given up after ${DEATHS_ALLOWED} attempts that ended with their engine or runner dying (${end.stateString})`,
    };
  }
  if (request.attempts >= ATTEMPTS_ALLOWED) {
    return {
      results: Result.EXCEPTION,
      stateString: `exception: given up after ${request.attempts} attempts (${end.stateString})`,
    };
  }
  return end;
}
