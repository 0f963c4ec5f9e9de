import { Result } from '@millrace/domain';
import type { Transaction } from '../sql.js';

/**
 * Number in the table of the step that stands for the preparing of a build's worker. Where a build has it, readers count from it, 0, and the
 * other steps from 1. Builds of engines that did not record it have their steps counted from 0, as their pages always did.
 */
export const PREPARATION = -1;

/** Returns SQL: 1 when the build with that id has its preparation recorded, otherwise 0. */
export function isPrepared(buildId: string): string {
  return `EXISTS (SELECT 1 FROM steps p WHERE p.build_id = ${buildId} AND p.number = ${PREPARATION})`;
}

/**
 * Records that the worker of a build is prepared, or that the build has ended before its first step. Preparing began with the claim, and is
 * over now.
 * @param failed how the build ended, if its steps did not begin
 * @returns what returns the step's id, once the statement was sent
 */
export function deferPreparation(
  tx: Transaction,
  buildId: number,
  failed?: { readonly results: Result; readonly stateString: string },
): Promise<() => number> {
  // A builder without steps, or whose `doBuildIf` says no, had its worker ready.
  const isReady = !failed || failed.results === Result.SUCCESS || failed.results === Result.SKIPPED;
  return tx.deferInsert(
    `INSERT INTO steps (build_id, number, name, started_at_ms, complete_at_ms, results, state_string, urls, hidden, resumable, locks_ms)
     SELECT b.id, ${PREPARATION}, 'worker_preparation', b.started_at_ms, ${tx.dialect.nowMs}, ?, COALESCE(?, CONCAT('worker ', w.name, ' ready')),
       '[]', 0, 1, 0
     FROM builds b JOIN workers w ON w.id = b.worker_id WHERE b.id = ?`,
    [isReady ? Result.SUCCESS : failed.results, isReady ? null : failed.stateString, buildId],
  );
}
