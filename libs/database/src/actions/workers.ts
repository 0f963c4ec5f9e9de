import type { QueryDeepPartialEntity } from 'typeorm';
import { WorkerEntity } from '../entities/workers.js';
import { NO_FAILURES } from '../fleet.js';
import { notFound } from './not-found.js';
import type { Database } from '../sql.js';

/** People's actions on workers. */
export class WorkerActionStore {
  constructor(private readonly db: Database) {}

  pauseWorker(workerId: number, reason: string | null): Promise<void> {
    return this.worker(workerId, { paused: true, pauseReason: reason });
  }

  /** Ends everything that holds the worker back: a pause, a pending shutdown, a quarantine. */
  unpauseWorker(workerId: number): Promise<void> {
    return this.worker(workerId, {
      paused: false,
      pauseReason: null,
      graceful: false,
      shutdownReason: null,
      ...NO_FAILURES,
    });
  }

  /** Gives the worker no more builds, and has it shut down when it is idle, on whichever engine it is then. */
  stopWorker(workerId: number, reason: string | null): Promise<void> {
    return this.worker(workerId, { graceful: true, shutdownReason: reason });
  }

  /** Ends the worker's current session and its builds. */
  killWorker(workerId: number, reason: string | null): Promise<void> {
    return this.worker(workerId, { killEpoch: () => 'session_epoch', shutdownReason: reason });
  }

  private async worker(workerId: number, change: QueryDeepPartialEntity<WorkerEntity>): Promise<void> {
    const { affected } = await (await this.db.repository(WorkerEntity)).update({ id: workerId }, change);
    if (affected === 0) throw notFound('worker', workerId);
  }
}
