import type { Incarnation } from './masters.js';
import { type Database, placeholders } from './sql.js';

export interface WorkerState {
  readonly workerId: number;
  readonly name: string;
  readonly paused: boolean;
  readonly graceful: boolean;
  /** Of its newest session, on whichever engine. */
  readonly sessionEpoch: number;
}

/** Sessions of workers, cluster-wide: the newest session of a name is the only one (its epoch fences the others). */
export class WorkerStore {
  constructor(private readonly db: Database) {}

  /** `resumes`: the worker goes on with its commands while it has no engine (I9). @returns the epoch of the new session */
  attached(
    workerId: number,
    me: Incarnation,
    info: Readonly<Record<string, unknown>>,
    resumes = false,
  ): Promise<number> {
    return this.db.transaction(async (tx) => {
      await tx.run(
        `UPDATE workers SET session_epoch = session_epoch + 1, master_id = ?, master_epoch = ?, info = ?, graceful = 0,
           resumes = ?, last_seen_at_ms = ${tx.dialect.nowMs} WHERE id = ?`,
        [me.masterId, me.epoch, JSON.stringify(info), resumes, workerId],
      );
      const row = await tx.get<{ epoch: number }>(`SELECT session_epoch AS epoch FROM workers WHERE id = ?`, [
        workerId,
      ]);
      return row!.epoch;
    });
  }

  /** Nothing happens when a newer session took over. */
  async detached(workerId: number, sessionEpoch: number): Promise<void> {
    await this.db.run(
      `UPDATE workers SET master_id = NULL, master_epoch = NULL, last_seen_at_ms = ${this.db.dialect.nowMs}
       WHERE id = ? AND session_epoch = ?`,
      [workerId, sessionEpoch],
    );
  }

  /** Of these workers, or of all. */
  async states(workerIds?: readonly number[]): Promise<WorkerState[]> {
    const which = workerIds ? ` WHERE id IN ${placeholders(workerIds.length)}` : '';
    const rows = await this.db.all<{
      workerId: number;
      name: string;
      paused: number;
      graceful: number;
      sessionEpoch: number;
    }>(`SELECT id AS workerId, name, paused, graceful, session_epoch AS sessionEpoch FROM workers${which}`, workerIds);
    return rows.map((row) => ({ ...row, paused: row.paused === 1, graceful: row.graceful === 1 }));
  }
}
