import type { WorkerFacts, WorkerPlace } from '@millrace/domain';
import type { Incarnation } from '../masters.js';
import { placeholders, type Transaction } from '../sql.js';
import { deferBuildersBusyOn, heldBySql } from '../workers.js';

/** The data that decide about the admissions of a claim. */
export interface ClaimFacts {
  readonly workers: ReadonlyMap<number, WorkerFacts>;
  /**
   * Returns the place of a worker. A claim with `sessionEpoch` begins in that session; a claim without one is for a worker that is to be
   * started.
   */
  readonly placeOf: (claim: { readonly workerId: number; readonly sessionEpoch?: number }) => WorkerPlace;
}

/**
 * Reads the data that decide about claims for these workers, together with the next statement. The workers' rows stay locked, in the order
 * of their ids, so that two engines do not count the same room twice (I11).
 */
export async function deferClaimFacts(
  tx: Transaction,
  me: Incarnation,
  workerIds: Iterable<number>,
): Promise<() => ClaimFacts> {
  const ids = [...new Set(workerIds)].sort((a, b) => a - b);
  const rows = await tx.deferAll<WorkerRow>(
    `SELECT w.id AS workerId, w.max_builds AS maxBuilds, ${heldBySql(tx)} AS heldBy, w.master_id AS masterId,
       w.master_epoch AS masterEpoch, w.session_epoch AS sessionEpoch
     FROM workers w WHERE w.id IN ${placeholders(ids.length)} ORDER BY w.id${tx.dialect.forUpdate}`,
    ids,
  );
  const busy = await deferBuildersBusyOn(tx, ids);
  return () => factsOf(me, rows(), busy());
}

interface WorkerRow {
  readonly workerId: number;
  readonly maxBuilds: number;
  readonly heldBy: WorkerFacts['heldBy'];
  readonly masterId: number | null;
  readonly masterEpoch: number | null;
  readonly sessionEpoch: number;
}

function factsOf(
  me: Incarnation,
  rows: readonly WorkerRow[],
  busy: ReadonlyMap<number, readonly number[]>,
): ClaimFacts {
  const workers = new Map(
    rows.map(({ workerId, heldBy, maxBuilds }) => [
      workerId,
      { heldBy, maxBuilds, builderIds: busy.get(workerId) ?? [] },
    ]),
  );
  const sessions = new Map(rows.map((row) => [row.workerId, row]));
  return {
    workers,
    placeOf: ({ workerId, sessionEpoch }) => {
      const session = sessions.get(workerId);
      if (!session || session.masterId === null) return sessionEpoch === undefined ? 'startable' : 'away';
      if (session.masterId !== me.masterId || session.masterEpoch !== me.epoch) return 'elsewhere';
      return sessionEpoch === undefined || session.sessionEpoch === sessionEpoch ? 'here' : 'elsewhere';
    },
  };
}
