import { Grouping } from './grouping.js';
import { WorkerEntity } from './entities/workers.js';
import type { Incarnation } from './masters.js';
import { type Database, placeholders, type Transaction } from './sql.js';
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
  /** It is to be shut down when it is idle. */
  readonly graceful: boolean;
  /** How long it gets no builds yet because it failed; 0 when it does. */
  readonly quarantinedForMs: number;
  /** Attaching it failed, or builds were lost at once, so often in a row. */
  readonly failures: number;
  /** Of its newest session, on whichever engine. */
  readonly sessionEpoch: number;
  /** The session that is to be ended at once. */
  readonly killEpoch: number | null;
  readonly shutdownReason: string | null;
}

/**
 * Sessions of workers, cluster-wide: the newest session of a name is the only one (its epoch fences the others). What is asked for a whole fleet
 * again and again is SQL.
 */
export class WorkerStore {
  /** A whole fleet may come or go at once. */
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

  /** @returns the epoch of the new session */
  attached(
    workerId: number,
    me: Incarnation,
    info: Readonly<Record<string, unknown>>,
    kind: SessionKind = {},
  ): Promise<number> {
    return this.starts.add({ workerId, me, info, kind });
  }

  /** Nothing happens when a newer session took over. */
  async detached(workerId: number, sessionEpoch: number): Promise<void> {
    await this.ends.add({ workerId, sessionEpoch });
  }

  /** Of these workers, or of all. */
  async states(workerIds?: readonly number[]): Promise<WorkerState[]> {
    if (workerIds?.length === 0) return [];
    const { nowMs } = this.db.dialect;
    const rows = await this.db.all<Omit<WorkerState, 'paused' | 'graceful'> & { paused: number; graceful: number }>(
      `SELECT id AS workerId, name, paused, graceful, failures, session_epoch AS sessionEpoch, kill_epoch AS killEpoch,
         shutdown_reason AS shutdownReason,
         CASE WHEN quarantined_until_ms > ${nowMs} THEN quarantined_until_ms - ${nowMs} ELSE 0 END AS quarantinedForMs
       FROM workers${workerIds ? ` WHERE id IN ${placeholders(workerIds.length)}` : ''}`,
      workerIds,
    );
    return rows.map((row) => ({ ...row, paused: row.paused === 1, graceful: row.graceful === 1 }));
  }

  /** How many builds each of these workers has, wherever they are run. Workers without any are left out. */
  async claims(workerIds: readonly number[]): Promise<Map<number, number>> {
    if (workerIds.length === 0) return new Map();
    const rows = await this.db.all<{ workerId: number; builds: number }>(
      `SELECT worker_id AS workerId, COUNT(*) AS builds FROM claims WHERE worker_id IN ${placeholders(workerIds.length)}
       GROUP BY worker_id`,
      workerIds,
    );
    return new Map(rows.map((row) => [row.workerId, row.builds]));
  }

  /** Notes that all workers that are attached to this engine are still there. */
  async seen(me: Incarnation): Promise<void> {
    const workers = await this.db.repository(WorkerEntity);
    await workers.update(
      { masterId: me.masterId, masterEpoch: me.epoch },
      { lastSeenAtMs: () => this.db.dialect.nowMs },
    );
  }

  /** The worker itself asked to be shut down; whichever engine it is on next knows. */
  async leaving(workerId: number, sessionEpoch: number): Promise<void> {
    const workers = await this.db.repository(WorkerEntity);
    const shutdownReason = 'the worker asked for it';
    await workers.update({ id: workerId, sessionEpoch }, { graceful: true, shutdownReason });
  }

  /** It was told to shut down: when it comes again it may build. */
  async left(workerId: number, sessionEpoch: number): Promise<void> {
    const workers = await this.db.repository(WorkerEntity);
    await workers.update({ id: workerId, sessionEpoch }, { graceful: false, shutdownReason: null });
  }
}

/**
 * Which of these claims their workers have room for (I11): not paused, not leaving, with fewer builds on all engines together than they
 * may have, and still in the session that was seen, not in a newer one here or elsewhere. Their rows stay locked, so that two engines do not
 * count the same room.
 */
export async function withRoom<T extends { readonly workerId: number; readonly sessionEpoch?: number }>(
  tx: Transaction,
  me: Incarnation,
  claims: readonly T[],
): Promise<T[]> {
  const ids = [...new Set(claims.map((claim) => claim.workerId))].sort((a, b) => a - b);
  const rows = await tx.all<{
    workerId: number;
    maxBuilds: number;
    held: number;
    elsewhere: number;
    sessionEpoch: number | null;
  }>(
    `SELECT id AS workerId, max_builds AS maxBuilds, CASE WHEN master_id IS NULL THEN NULL ELSE session_epoch END AS sessionEpoch,
       CASE WHEN paused = 1 OR graceful = 1 OR quarantined_until_ms > ${tx.dialect.nowMs} THEN 1 ELSE 0 END AS held,
       CASE WHEN master_id <> ? OR master_epoch <> ? THEN 1 ELSE 0 END AS elsewhere
     FROM workers WHERE id IN ${placeholders(ids.length)} ORDER BY id${tx.dialect.forUpdate}`,
    [me.masterId, me.epoch, ...ids],
  );
  const builds = new Map(
    (
      await tx.all<{ workerId: number; builds: number }>(
        `SELECT worker_id AS workerId, COUNT(*) AS builds FROM claims WHERE worker_id IN ${placeholders(ids.length)} GROUP BY worker_id`,
        ids,
      )
    ).map((row) => [row.workerId, row.builds]),
  );
  const room = new Map(
    rows.map((row) => [
      row.workerId,
      row.held === 1 || row.elsewhere === 1 ? 0 : row.maxBuilds - (builds.get(row.workerId) ?? 0),
    ]),
  );
  const sessions = new Map(rows.map((row) => [row.workerId, row.sessionEpoch]));
  return claims.filter(({ workerId, sessionEpoch }) => {
    if (sessionEpoch !== undefined && sessions.get(workerId) !== sessionEpoch) return false;
    const left = room.get(workerId) ?? 0;
    room.set(workerId, left - 1);
    return left > 0;
  });
}
