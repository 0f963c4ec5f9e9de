import { randomUUID } from 'node:crypto';
import { type Properties, Result, UserError } from '@millrace/domain';
import { completeRequest, createBuildset, type CreatedBuildset, type SourceStamp } from './buildsets.js';
import { checkAddresses } from './intake.js';
import type { Database, SqlValue, Transaction } from './sql.js';

export interface Force {
  readonly schedulerId: number;
  readonly schedulerName: string;
  readonly builderIds: readonly number[];
  readonly reason: string;
  readonly owner: string;
  readonly sourceStamp: SourceStamp;
  readonly properties: Properties;
  readonly priority: number;
}

export type Cancelled =
  /** It was still queued, and is complete now. */
  | { readonly outcome: 'cancelled'; readonly builderId: number; readonly completedBuildsetId: number | null }
  /** An engine has been asked to stop the build. */
  | { readonly outcome: 'stopping'; readonly masterId: number }
  | { readonly outcome: 'already-complete' };

/** A row that asks a master to do something (a message is only a hint that it is there). */
export interface MasterCommand {
  readonly id: number;
  /** `stop-build` (subject: the build), `reconfig` (reads its configuration again), `drain` (finishes what it has and leaves). */
  readonly kind: 'stop-build' | 'reconfig' | 'drain';
  readonly subjectId: number;
  readonly args: { readonly reason?: string };
}

/** What people do to what runs: force, rebuild, stop, cancel, pause. */
export class ControlStore {
  constructor(private readonly db: Database) {}

  /** @throws UserError `secret-in-address` */
  force(force: Force): Promise<CreatedBuildset> {
    return this.db.transaction(async (tx) => {
      checkAddresses(force.sourceStamp);
      const created = await createBuildset(tx, {
        schedulerId: force.schedulerId,
        schedulerName: force.schedulerName,
        cause: `force:${randomUUID()}`,
        reason: `A build was forced by '${force.owner}': ${force.reason}`,
        sourceStamps: [force.sourceStamp],
        properties: force.properties,
        builderIds: force.builderIds,
        priority: force.priority,
      });
      return created!;
    });
  }

  /** Builds the same source with the same properties again. @throws UserError `not-found` */
  rebuild(buildId: number): Promise<CreatedBuildset> {
    return this.db.transaction(async (tx) => {
      const build = await tx.get<{
        builderId: number;
        buildsetId: number;
        properties: string;
        rebuilt: number | null;
        priority: number;
      }>(
        `SELECT b.builder_id AS builderId, b.buildset_id AS buildsetId, s.properties AS properties, s.rebuilt_build_id AS rebuilt,
                r.priority AS priority
         FROM builds b JOIN buildsets s ON s.id = b.buildset_id JOIN build_requests r ON r.id = b.request_id WHERE b.id = ?`,
        [buildId],
      );
      if (!build) throw notFound('build', buildId);
      const stamps = await tx.all<SourceStamp>(
        `SELECT s.branch, s.revision, s.repository, s.project, s.codebase FROM buildset_source_stamps b
         JOIN source_stamps s ON s.id = b.source_stamp_id WHERE b.buildset_id = ?`,
        [build.buildsetId],
      );
      const changes = await tx.all<{ id: number }>(
        `SELECT change_id AS id FROM buildset_changes WHERE buildset_id = ?`,
        [build.buildsetId],
      );
      const created = await createBuildset(tx, {
        schedulerId: null,
        schedulerName: 'rebuild',
        cause: `rebuild:${randomUUID()}`,
        reason: 'rebuild',
        sourceStamps: stamps,
        changeIds: changes.map((change) => change.id),
        properties: JSON.parse(build.properties) as Properties,
        builderIds: [build.builderId],
        priority: build.priority,
        rebuiltBuildId: build.rebuilt ?? buildId,
      });
      return created!;
    });
  }

  /** Asks the engine that has the build to stop it; the command is done when the build has ended. @returns that engine, or null when the build is over. */
  stopBuild(buildId: number, reason: string): Promise<{ masterId: number } | null> {
    return this.db.transaction(async (tx) => {
      const claim = await tx.get<{ masterId: number }>(`SELECT master_id AS masterId FROM claims WHERE build_id = ?`, [
        buildId,
      ]);
      if (claim) {
        await command(tx, claim.masterId, 'stop-build', buildId, { reason });
        return claim;
      }
      if (!(await tx.get(`SELECT id FROM builds WHERE id = ?`, [buildId]))) throw notFound('build', buildId);
      return null;
    });
  }

  /**
   * For an engine that was asked to stop a build that it does not run: the build may wait for its worker, be on its way here, or have moved
   * on, and the wish with it. False: it is over.
   */
  passStopOn(stop: MasterCommand): Promise<boolean> {
    return this.db.transaction(async (tx) => {
      const claim = await tx.get<{ masterId: number }>(`SELECT master_id AS masterId FROM claims WHERE build_id = ?`, [
        stop.subjectId,
      ]);
      if (!claim) return false;
      await tx.defer(`UPDATE master_commands SET master_id = ? WHERE id = ?`, [claim.masterId, stop.id]);
      return true;
    });
  }

  cancelRequest(requestId: number, reason: string): Promise<Cancelled> {
    return this.db.transaction(async (tx) => {
      // Engines claim by deleting the queue row too: whoever deletes it decides.
      const { affected } = await tx.run(`DELETE FROM queue WHERE request_id = ?`, [requestId]);
      const request = await tx.get<{ builderId: number; buildsetId: number }>(
        `SELECT builder_id AS builderId, buildset_id AS buildsetId FROM build_requests WHERE id = ?`,
        [requestId],
      );
      if (!request) throw notFound('build request', requestId);
      if (affected === 1) {
        const completedBuildsetId = await completeRequest(
          tx,
          { requestId, buildsetId: request.buildsetId },
          Result.CANCELLED,
          reason,
        );
        return { outcome: 'cancelled', builderId: request.builderId, completedBuildsetId };
      }
      const claim = await tx.get<{ buildId: number; masterId: number }>(
        `SELECT build_id AS buildId, master_id AS masterId FROM claims WHERE request_id = ?`,
        [requestId],
      );
      if (!claim) return { outcome: 'already-complete' };
      await command(tx, claim.masterId, 'stop-build', claim.buildId, { reason });
      return { outcome: 'stopping', masterId: claim.masterId };
    });
  }

  /** False when the request is no longer queued. */
  setPriority(requestId: number, priority: number): Promise<boolean> {
    return this.db.transaction(async (tx) => {
      const { affected } = await tx.run(
        `UPDATE build_requests SET priority = ? WHERE id = ? AND complete_at_ms IS NULL`,
        [priority, requestId],
      );
      if (affected === 0 && !(await tx.get(`SELECT id FROM build_requests WHERE id = ?`, [requestId]))) {
        throw notFound('build request', requestId);
      }
      const queued = await tx.run(`UPDATE queue SET queue_rank = ? WHERE request_id = ?`, [-priority, requestId]);
      return queued.affected === 1;
    });
  }

  pauseWorker(workerId: number, reason: string | null): Promise<void> {
    return this.worker(workerId, 'paused = 1, pause_reason = ?', [reason]);
  }

  /** Whatever held the worker back is over: a pause, a shutdown that has not come yet, a quarantine. */
  unpauseWorker(workerId: number): Promise<void> {
    return this.worker(
      workerId,
      `paused = 0, pause_reason = NULL, graceful = 0, shutdown_reason = NULL, failures = 0, failed_at_ms = NULL,
         quarantined_until_ms = NULL, quarantine_reason = NULL`,
    );
  }

  /** No more builds, and it is told to shut down when it is idle, on whichever engine it is then. */
  stopWorker(workerId: number, reason: string | null): Promise<void> {
    return this.worker(workerId, 'graceful = 1, shutdown_reason = ?', [reason]);
  }

  /** Ends the session that it has now, and what it builds. */
  killWorker(workerId: number, reason: string | null): Promise<void> {
    return this.worker(workerId, 'kill_epoch = session_epoch, shutdown_reason = ?', [reason]);
  }

  private async worker(workerId: number, change: string, params: readonly SqlValue[] = []): Promise<void> {
    const { affected } = await this.db.run(`UPDATE workers SET ${change} WHERE id = ?`, [...params, workerId]);
    if (affected === 0) throw notFound('worker', workerId);
  }

  async enableScheduler(schedulerId: number, enabled: boolean): Promise<void> {
    const { affected } = await this.db.run(`UPDATE schedulers SET enabled = ? WHERE id = ?`, [enabled, schedulerId]);
    if (affected === 0) throw notFound('scheduler', schedulerId);
  }

  /** Open commands for a master, oldest first. */
  async openCommands(masterId: number): Promise<MasterCommand[]> {
    const rows = await this.db.all<Omit<MasterCommand, 'args'> & { args: string }>(
      `SELECT id, kind, subject_id AS subjectId, args FROM master_commands
       WHERE done_at_ms IS NULL AND master_id = ? ORDER BY id LIMIT 100`,
      [masterId],
    );
    return rows.map((row) => ({ ...row, args: JSON.parse(row.args) as MasterCommand['args'] }));
  }

  /** Asks a master to read its configuration again. @returns the command, to wait for with `commandResult` */
  requestReconfig(masterId: number): Promise<number> {
    return this.db.transaction((tx) => command(tx, masterId, 'reconfig', 0, {}));
  }

  /** Asks a master to take nothing new, finish what it has, and end. @returns the command, to wait for with `commandResult` */
  requestDrain(masterId: number): Promise<number> {
    return this.db.transaction((tx) => command(tx, masterId, 'drain', 0, {}));
  }

  /** Null while it is not done. */
  async commandResult(commandId: number): Promise<string | null> {
    const row = await this.db.get<{ doneAtMs: number | null; result: string | null }>(
      `SELECT done_at_ms AS doneAtMs, result FROM master_commands WHERE id = ?`,
      [commandId],
    );
    return row?.doneAtMs == null ? null : (row.result ?? '');
  }

  async finishCommand(id: number, result: string): Promise<void> {
    await this.db.run(
      `UPDATE master_commands SET done_at_ms = ${this.db.dialect.nowMs}, result = ? WHERE id = ? AND done_at_ms IS NULL`,
      [result, id],
    );
  }
}

async function command(
  tx: Transaction,
  masterId: number,
  kind: MasterCommand['kind'],
  subjectId: number,
  args: object,
): Promise<number> {
  const { insertId } = await tx.run(
    `INSERT INTO master_commands (master_id, kind, subject_id, args, created_at_ms) VALUES (?, ?, ?, ?, ${tx.dialect.nowMs})`,
    [masterId, kind, subjectId, JSON.stringify(args)],
  );
  return insertId;
}

function notFound(what: string, id: number): UserError {
  return new UserError('not-found', `no ${what} ${id}`, { id });
}
