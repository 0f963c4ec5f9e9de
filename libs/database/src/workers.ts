import { Grouping } from './grouping.js';
import type { Incarnation } from './masters.js';
import { type Database, placeholders } from './sql.js';
import { beginSessions, canBeginTogether, endSessions, type SessionEnd, type SessionStart } from './worker-sessions.js';

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

  /** `resumes`: the worker goes on with its commands while it has no engine (I9). @returns the epoch of the new session */
  attached(
    workerId: number,
    me: Incarnation,
    info: Readonly<Record<string, unknown>>,
    resumes = false,
  ): Promise<number> {
    return this.starts.add({ workerId, me, info, resumes });
  }

  /** Nothing happens when a newer session took over. */
  async detached(workerId: number, sessionEpoch: number): Promise<void> {
    await this.ends.add({ workerId, sessionEpoch });
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
