import { IsNull, Not } from 'typeorm';
import { WorkerEntity } from './entities/workers.js';
import { aliveSql, leasedSql } from './masters.js';
import { locking } from './repositories.js';
import type { Database } from './sql.js';

/** A worker that no living engine has, and for which no alarm has been raised yet. */
export interface AbsentWorker {
  readonly workerId: number;
  readonly name: string;
  /** Time since it was last seen, or was configured if it never was, by the database's clock, which may have been set since. */
  readonly absentForMs: number;
  readonly missingTimeoutMs: number;
  readonly sessionEpoch: number;
}

export interface Failed {
  readonly failures: number;
  readonly quarantinedForMs: number;
}

/** The columns of a worker without failures. */
export const NO_FAILURES = { failures: 0, failedAtMs: null, quarantinedUntilMs: null, quarantineReason: null };

/**
 * Absences and failures of workers, cluster-wide. The two statements about living masters are SQL, because they have conditions on other
 * tables.
 */
export class FleetStore {
  constructor(private readonly db: Database) {}

  /** Returns the absent workers that some living engine has builders for, however long they have been away. */
  absent(): Promise<AbsentWorker[]> {
    const { nowMs } = this.db.dialect;
    return this.db.all<AbsentWorker>(
      `SELECT w.id AS workerId, w.name, ${nowMs} - COALESCE(w.last_seen_at_ms, w.created_at_ms) AS absentForMs,
         w.missing_timeout_ms AS missingTimeoutMs, w.session_epoch AS sessionEpoch
       FROM workers w LEFT JOIN masters m ON m.id = w.master_id AND ${aliveSql(this.db, 'w.master_epoch')}
       WHERE m.id IS NULL AND w.missing_at_ms IS NULL AND w.missing_timeout_ms IS NOT NULL
         AND EXISTS (SELECT 1 FROM worker_builders b JOIN masters e ON e.id = b.master_id
           WHERE b.worker_id = w.id AND ${leasedSql(this.db, 'e')})`,
    );
  }

  /** Raises the alarm. Returns false when another engine did, or the worker is back. */
  async miss(worker: AbsentWorker): Promise<boolean> {
    const { affected } = await this.db.run(
      `UPDATE workers SET missing_at_ms = ${this.db.dialect.nowMs}
       WHERE id = ? AND session_epoch = ? AND missing_at_ms IS NULL
         AND NOT EXISTS (SELECT 1 FROM masters m WHERE m.id = workers.master_id AND ${aliveSql(this.db, 'workers.master_epoch')})`,
      [worker.workerId, worker.sessionEpoch],
    );
    return affected === 1;
  }

  async countMissing(): Promise<number> {
    return (await this.db.repository(WorkerEntity)).countBy({ missingAtMs: Not(IsNull()) });
  }

  /** Counts a failure of a worker. `decide` returns its consequences from the count so far. */
  failed(
    workerId: number,
    reason: string,
    decide: (failures: number, sinceLastMs: number | null) => Failed,
  ): Promise<Failed> {
    return this.db.transaction(async (tx) => {
      const now = tx.dialect.nowMs;
      const workers = await tx.repository(WorkerEntity);
      const { entities, raw } = await locking(workers.createQueryBuilder('w').where({ id: workerId }), tx)
        .addSelect(`${now} - w.failed_at_ms`, 'sinceLastMs')
        .getRawAndEntities<{ sinceLastMs: number | null }>();
      const after = decide(entities[0]?.failures ?? 0, raw[0]?.sinceLastMs ?? null);
      await workers
        .createQueryBuilder()
        .update()
        .set({
          failures: after.failures,
          failedAtMs: () => now,
          quarantineReason: reason,
          ...(after.quarantinedForMs > 0 && { quarantinedUntilMs: () => `${now} + :forMs` }),
        })
        .where({ id: workerId })
        .setParameter('forMs', Math.round(after.quarantinedForMs))
        .execute();
      return after;
    });
  }

  /** Forgets a worker's failures after a success. */
  async recovered(workerId: number): Promise<void> {
    await (await this.db.repository(WorkerEntity)).update({ id: workerId }, NO_FAILURES);
  }
}
