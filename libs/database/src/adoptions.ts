import { type Properties, Result, type Uuid, uuidFromBytes } from '@millrace/domain';
import type { ClaimedBuild } from './claims/claiming.js';
import { type BuildKey, claimedOf } from './claims/fence.js';
import { type RequestRow, requestsOf } from './claims/requests.js';
import { assertLeased, type Incarnation } from './masters.js';
import type { Database, Transaction } from './sql.js';

/** A build that a worker had when it attached again. */
export interface WorkersClaim extends BuildKey {
  readonly uuid: Uuid;
  readonly masterId: number;
}

/** A recorded step. `results` is null for the one that was running. */
export interface RecordedStep {
  readonly number: number;
  readonly name: string;
  readonly results: Result | null;
  readonly stateString: string;
  readonly resumable: boolean;
  /** JSON; null for a step that has added none. */
  readonly added: string | null;
}

/** A remote command of the step that was running. */
export interface RecordedCommand {
  readonly ordinal: number;
  readonly name: string;
  readonly uuid: Uuid;
  readonly argsHash: string;
  /** JSON; null when no end of the command was recorded. */
  readonly outcome: string | null;
  /** Number of the command's last update whose lines are stored. */
  readonly updatesStored: number;
  /** Standard output so far, of a command whose step asked for it. */
  readonly captured: string | null;
}

/** Everything recorded about a build that is to go on here. */
export interface RecordedBuild {
  readonly build: ClaimedBuild;
  /** Null for a build claimed by a release that did not record it. */
  readonly fingerprint: string | null;
  readonly steps: readonly RecordedStep[];
  /** Commands of the step that was running. */
  readonly commands: readonly RecordedCommand[];
  /** Logs of that step. */
  readonly logs: readonly { readonly name: string; readonly type: string; readonly lines: number }[];
  /** How often the build has changed engines, this time included. */
  readonly adoptions: number;
}

/** Attempts of a worker that are looked at, more than it has at once. */
const LATEST_ATTEMPTS = 50;

/**
 * Claims that move with their worker to another engine, or to another life of the same one. Prepared SQL: all workers of an engine that
 * died come at once, each with its builds.
 */
export class AdoptionStore {
  constructor(private readonly db: Database) {}

  /** Returns the claims that a worker had before its newest session, on any engine. */
  async ofWorker(workerId: number): Promise<WorkersClaim[]> {
    const rows = await this.db.all<Omit<WorkersClaim, 'uuid'> & { uuid: Buffer }>(
      `SELECT c.build_id AS buildId, c.request_id AS requestId, b.buildset_id AS buildsetId, c.builder_id AS builderId,
              c.epoch AS epoch, c.master_id AS masterId, b.uuid AS uuid
       FROM claims c JOIN builds b ON b.id = c.build_id WHERE c.worker_id = ? ORDER BY c.build_id`,
      [workerId],
    );
    return rows.map((row) => ({ ...row, uuid: uuidFromBytes(row.uuid) }));
  }

  /** Returns the commands of a worker's latest attempts that are not known to have ended, first of all those that were cut off. */
  async leftRunning(workerId: number): Promise<string[]> {
    const rows = await this.db.all<{ uuid: Buffer }>(
      `SELECT c.uuid AS uuid FROM (SELECT id, results FROM builds WHERE worker_id = ? ORDER BY id DESC LIMIT ${LATEST_ATTEMPTS}) b
       JOIN commands c ON c.build_id = b.id
       WHERE (b.results IS NULL OR b.results IN (${Result.RETRY}, ${Result.CANCELLED}))
         AND c.ended = 0 AND c.name <> 'trigger'`,
      [workerId],
    );
    return rows.map((row) => uuidFromBytes(row.uuid));
  }

  /**
   * Moves a claim to this engine, under a new epoch, because the worker's newest session is here (a claim moves together with the worker's
   * session epoch). From then on the former engine is fenced off. Returns null when the build has ended, or the worker has moved on,
   * meanwhile.
   */
  adopt(me: Incarnation, claim: WorkersClaim, workerId: number, sessionEpoch: number): Promise<RecordedBuild | null> {
    return this.db.transaction(async (tx) => {
      const { forUpdate, nowMs } = tx.dialect;
      await assertLeased(tx, me);
      const row = await tx.get(`SELECT request_id FROM claims WHERE request_id = ? AND epoch = ?${forUpdate}`, [
        claim.requestId,
        claim.epoch,
      ]);
      // Locked, so that the worker cannot move to another engine before that engine sees who has the claim now.
      const session = await tx.get<{ epoch: number }>(
        `SELECT session_epoch AS epoch FROM workers WHERE id = ?${forUpdate}`,
        [workerId],
      );
      if (!row || session?.epoch !== sessionEpoch) return null;
      await tx.defer(`UPDATE build_requests SET epoch = epoch + 1, claimed_by_master_id = ? WHERE id = ?`, [
        me.masterId,
        claim.requestId,
      ]);
      const request = (await requestsOf(tx, [claim.requestId])).get(claim.requestId)!;
      await tx.defer(
        `UPDATE claims SET master_id = ?, master_epoch = ?, epoch = ?, parked_at_ms = NULL WHERE request_id = ?`,
        [me.masterId, me.epoch, request.epoch, claim.requestId],
      );
      await tx.defer(`UPDATE builds SET master_id = ? WHERE id = ?`, [me.masterId, claim.buildId]);
      await tx.defer(
        `INSERT INTO adoptions (build_id, epoch, from_master_id, to_master_id, adopted_at_ms) VALUES (?, ?, ?, ?, ${nowMs})`,
        [claim.buildId, request.epoch, claim.masterId, me.masterId],
      );
      // The former engine may have an open stop command for this build. It moves with the build.
      await tx.defer(
        `UPDATE master_commands SET master_id = ? WHERE done_at_ms IS NULL AND kind = 'stop-build' AND subject_id = ?`,
        [me.masterId, claim.buildId],
      );
      return recordOf(tx, claim, request, workerId);
    });
  }

  /** Returns what is recorded about a build of this engine that goes on after its sleep. Null when it is no longer ours. */
  recall(build: ClaimedBuild): Promise<RecordedBuild | null> {
    return this.db.transaction(async (tx) => {
      if (!(await claimedOf(tx, [build])).has(build.buildId)) return null;
      const request = (await requestsOf(tx, [build.requestId])).get(build.requestId)!;
      return recordOf(tx, build, request, build.workerId);
    });
  }
}

async function recordOf(
  tx: Transaction,
  key: BuildKey & { readonly uuid: Uuid },
  request: RequestRow,
  workerId: number,
): Promise<RecordedBuild> {
  const build = (await tx.get<{ number: number; attempt: number; properties: string; fingerprint: string | null }>(
    `SELECT number, attempt, properties, fingerprint FROM builds WHERE id = ?`,
    [key.buildId],
  ))!;
  const steps = await tx.all<Omit<RecordedStep, 'resumable'> & { id: number; resumable: number }>(
    `SELECT id, number, name, results, state_string AS stateString, resumable, added FROM steps WHERE build_id = ? ORDER BY number`,
    [key.buildId],
  );
  const open = steps.find((step) => step.results === null);
  const { commands, logs } = open ? await openStepOf(tx, key.buildId, open) : { commands: [], logs: [] };
  const { adoptions } = (await tx.get<{ adoptions: number }>(
    `SELECT COUNT(*) AS adoptions FROM adoptions WHERE build_id = ?`,
    [key.buildId],
  ))!;
  return {
    build: {
      ...key,
      epoch: request.epoch,
      number: build.number,
      attempt: build.attempt,
      workerId,
      properties: JSON.parse(build.properties) as Properties,
      hasChanges: request.hasChanges,
      sourceStamps: request.sourceStamps,
    },
    fingerprint: build.fingerprint,
    steps: steps.map(({ id: _id, resumable, ...step }) => ({ ...step, resumable: resumable === 1 })),
    commands,
    logs,
    adoptions,
  };
}

/** Returns the recorded commands and logs of the step that was running. */
async function openStepOf(
  tx: Transaction,
  buildId: number,
  step: { readonly id: number; readonly number: number },
): Promise<Pick<RecordedBuild, 'commands' | 'logs'>> {
  const commands = await tx.all<Omit<RecordedCommand, 'uuid'> & { uuid: Buffer }>(
    `SELECT ordinal, name, uuid, args_hash AS argsHash, outcome, updates_stored AS updatesStored, captured
     FROM commands WHERE build_id = ? AND step_number = ? ORDER BY ordinal`,
    [buildId, step.number],
  );
  const logs = await tx.all<{ name: string; type: string; lines: number }>(
    `SELECT name, type, num_lines AS \`lines\` FROM logs WHERE step_id = ?`,
    [step.id],
  );
  return { commands: commands.map((command) => ({ ...command, uuid: uuidFromBytes(command.uuid) })), logs };
}
