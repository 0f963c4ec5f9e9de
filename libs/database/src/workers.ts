import { Grouping } from './grouping.js';
import { WorkerEntity } from './entities/workers.js';
import type { Incarnation } from './masters.js';
import { type Database, placeholders, type Queryable, type Transaction } from './sql.js';
import {
  beginSessions,
  canBeginTogether,
  endSessions,
  type SessionEnd,
  type SessionKind,
  type SessionStart,
} from './worker-sessions.js';

export interface WorkerState {
  readonly workerId: number;
  readonly name: string;
  readonly paused: boolean;
  /** Whether the worker is to be shut down when it is idle. */
  readonly graceful: boolean;
  /** How long the worker stays in quarantine; 0 when it is not in one. */
  readonly quarantinedForMs: number;
  /** Failures in a row: of attaching the worker, or builds that were lost at once. */
  readonly failures: number;
  /** Epoch of the newest session, on whichever engine. */
  readonly sessionEpoch: number;
  /** The session that is to be ended at once. */
  readonly killEpoch: number | null;
  readonly shutdownReason: string | null;
}

/** Returns a SQL condition for what keeps builds from the worker `w`, equivalent to `heldBy` of the admissions. */
export function heldBySql(db: Queryable): string {
  return `CASE WHEN w.paused = 1 THEN 'pause' WHEN w.graceful = 1 THEN 'shutdown'
    WHEN ${inQuarantineSql(db, 'w')} THEN 'quarantine' END`;
}

/** Returns a SQL condition for a worker in quarantine. It is false when the database's clock was set back to before the worker failed. */
export function inQuarantineSql({ dialect: { nowMs } }: Queryable, worker: string): string {
  return `(${worker}.quarantined_until_ms > ${nowMs} AND ${worker}.failed_at_ms <= ${nowMs})`;
}

/** Returns the builder of each build that a worker has now, on all engines together. Workers without builds are left out. */
export async function buildersBusyOn(db: Queryable, workerIds: readonly number[]): Promise<Map<number, number[]>> {
  if (workerIds.length === 0) return new Map();
  return byWorker(await db.all<BusyRow>(busySql(workerIds), workerIds));
}

/** Reads the same together with the next statement. */
export async function deferBuildersBusyOn(
  tx: Transaction,
  workerIds: readonly number[],
): Promise<() => Map<number, number[]>> {
  const rows = await tx.deferAll<BusyRow>(busySql(workerIds), workerIds);
  return () => byWorker(rows());
}

interface BusyRow {
  readonly workerId: number;
  readonly builderId: number;
}

function busySql({ length }: readonly number[]): string {
  return `SELECT worker_id AS workerId, builder_id AS builderId FROM claims WHERE worker_id IN ${placeholders(length)}`;
}

function byWorker(rows: readonly BusyRow[]): Map<number, number[]> {
  const builderIds = new Map<number, number[]>();
  for (const { workerId, builderId } of rows) {
    const known = builderIds.get(workerId);
    if (known) known.push(builderId);
    else builderIds.set(workerId, [builderId]);
  }
  return builderIds;
}

/**
 * Sessions of workers, cluster-wide. Only the newest session of a name counts (its epoch fences the others). Statements about a whole fleet
 * that run often are SQL.
 */
export class WorkerStore {
  /** Grouped, because a whole fleet may come or go at once. */
  private readonly starts: Grouping<SessionStart, number>;
  private readonly ends: Grouping<SessionEnd, undefined>;

  constructor(private readonly db: Database) {
    this.starts = new Grouping((starts) => beginSessions(db, starts), canBeginTogether);
    this.ends = new Grouping(
      async (ends) => {
        await endSessions(db, ends);
        return ends.map(() => undefined);
      },
      () => true,
    );
  }

  /**
   * Begins a session.
   * @returns its epoch
   */
  attached(
    workerId: number,
    me: Incarnation,
    info: Readonly<Record<string, unknown>>,
    kind: SessionKind = {},
  ): Promise<number> {
    return this.starts.add({ workerId, me, info, kind });
  }

  /** Ends a session, unless a newer one has replaced it. */
  async detached(workerId: number, sessionEpoch: number): Promise<void> {
    await this.ends.add({ workerId, sessionEpoch });
  }

  /** Returns the states of these workers, or of all. */
  async states(workerIds?: readonly number[]): Promise<WorkerState[]> {
    if (workerIds?.length === 0) return [];
    const { nowMs } = this.db.dialect;
    const rows = await this.db.all<Omit<WorkerState, 'paused' | 'graceful'> & { paused: number; graceful: number }>(
      `SELECT id AS workerId, name, paused, graceful, failures, session_epoch AS sessionEpoch, kill_epoch AS killEpoch,
         shutdown_reason AS shutdownReason,
         CASE WHEN ${inQuarantineSql(this.db, 'workers')} THEN quarantined_until_ms - ${nowMs} ELSE 0 END AS quarantinedForMs
       FROM workers${workerIds ? ` WHERE id IN ${placeholders(workerIds.length)}` : ''}`,
      workerIds,
    );
    return rows.map((row) => ({ ...row, paused: row.paused === 1, graceful: row.graceful === 1 }));
  }

  /** Returns the builder of each build that a worker has, on any engine. Workers without builds are left out. */
  buildersBusyOn(workerIds: readonly number[]): Promise<Map<number, number[]>> {
    return buildersBusyOn(this.db, workerIds);
  }

  /** Records that all workers attached to this engine are still connected. */
  async seen(me: Incarnation): Promise<void> {
    const workers = await this.db.repository(WorkerEntity);
    await workers.update(
      { masterId: me.masterId, masterEpoch: me.epoch },
      { lastSeenAtMs: () => this.db.dialect.nowMs },
    );
  }

  /** Records that the worker itself asked to be shut down, so that its next engine knows. */
  async leaving(workerId: number, sessionEpoch: number): Promise<void> {
    const workers = await this.db.repository(WorkerEntity);
    const shutdownReason = 'the worker asked for it';
    await workers.update({ id: workerId, sessionEpoch }, { graceful: true, shutdownReason });
  }

  /** Records that the worker was told to shut down. When it connects again it may build. */
  async left(workerId: number, sessionEpoch: number): Promise<void> {
    const workers = await this.db.repository(WorkerEntity);
    await workers.update({ id: workerId, sessionEpoch }, { graceful: false, shutdownReason: null });
  }
}
