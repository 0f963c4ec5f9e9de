import {
  byCodebase,
  FencedError,
  mergeProperties,
  type Properties,
  propertiesFrom,
  Result,
  sourceProperties,
  type SourceStamp,
  type Uuid,
  uuidFromBytes,
  uuidToBytes,
  uuidv7,
} from '@millrace/domain';
import { completeRequest } from './buildsets.js';
import type { MasterCommand } from './control.js';
import { aliveSql, assertLeased, type Incarnation } from './masters.js';
import { sabotaged } from './sabotage.js';
import { type Database, placeholders, type Queryable, rowPlaceholders, type Transaction } from './sql.js';
import { withRoom } from './workers.js';

/** The head of a builder's queue. */
export interface QueuedRequest {
  readonly requestId: number;
  readonly builderId: number;
  /** −priority: small first. */
  readonly rank: number;
}

export interface ClaimCandidate {
  readonly requestId: number;
  readonly builderId: number;
  readonly builderName: string;
  readonly workerId: number;
  readonly workerName: string;
  /** The builder's and the worker's own properties; those of the buildset win over them. */
  readonly properties: Properties;
  /** Of the configuration revision that the build runs under. */
  readonly fingerprint?: string;
  /** The worker's session here that the build is to begin in. Undefined: whichever it has. */
  readonly sessionEpoch?: number;
}

/** Names one attempt; `epoch` fences every write about it (I3). */
export interface BuildKey {
  readonly buildId: number;
  readonly requestId: number;
  readonly buildsetId: number;
  readonly builderId: number;
  readonly epoch: number;
}

export interface ClaimedBuild extends BuildKey {
  readonly uuid: Uuid;
  readonly number: number;
  readonly attempt: number;
  readonly workerId: number;
  readonly properties: Properties;
  /** In the order of their codebases. */
  readonly sourceStamps: readonly SourceStamp[];
}

/** An attempt that nobody works on: its engine is gone, or its worker is away. */
export interface Orphan extends BuildKey {
  readonly masterId: number;
  readonly masterEpoch: number;
  readonly master: string;
  /** Its engine holds its lease; only the worker is away. */
  readonly engineIsAlive: boolean;
  /** Its worker may come back and go on with it (I9): to be reaped only when that has taken too long. Not when it is to be stopped. */
  readonly mayResume: boolean;
  /** Its worker has a session at another incarnation than the claim's: what it brings along is adopted there, if anywhere. */
  readonly workerIsElsewhere: boolean;
  /** For how long its worker has been away, where an engine could still record that. */
  readonly parkedForMs: number | null;
}

/** How an attempt ended. `death`: its engine or its runner died under it, which is tried only so often. */
export interface BuildEnd {
  readonly results: Result;
  readonly stateString: string;
  readonly death?: boolean;
}

export interface EndedBuild {
  readonly buildId: number;
  readonly requestId: number;
  readonly builderId: number;
  /** Its request waits in the queue again. */
  readonly requeued: boolean;
  readonly completedBuildsetId: number | null;
}

/** Attempts that may end with the death of their engine or runner. */
export const DEATHS_ALLOWED = 3;
/** Attempts in all, whatever they end with: a build that takes its worker down every time must not do so for ever. */
export const ATTEMPTS_ALLOWED = 20;

/** Queue and claims, as engines use them. Prepared SQL: every build pays for it, and most writes are deferred, which no repository does. */
export class ClaimStore {
  constructor(private readonly db: Database) {}

  /** Builders that have anything queued. */
  async queuedBuilders(): Promise<number[]> {
    const rows = await this.db.all<{ builderId: number }>(`SELECT DISTINCT builder_id AS builderId FROM queue`);
    return rows.map((row) => row.builderId);
  }

  /** The first `limit` requests of a builder, best first. */
  heads(builderId: number, limit: number): Promise<QueuedRequest[]> {
    return this.db.all<QueuedRequest>(
      `SELECT request_id AS requestId, builder_id AS builderId, queue_rank AS \`rank\` FROM queue
       WHERE builder_id = ? ORDER BY queue_rank, request_id LIMIT ${Math.trunc(limit)}`,
      [builderId],
    );
  }

  claim(me: Incarnation, candidates: readonly ClaimCandidate[]): Promise<ClaimedBuild[]> {
    return this.db.transaction((tx) => claimIn(tx, me, candidates));
  }

  /**
   * Claims whose engine has died, begun another life or let its lease run out, and those whose worker is away. Judged on the
   * database's clock.
   */
  async orphans(): Promise<Orphan[]> {
    const alive = aliveSql(this.db, 'c.master_epoch');
    const rows = await this.db.all<
      Omit<Orphan, 'engineIsAlive' | 'mayResume' | 'workerIsElsewhere'> & {
        alive: number;
        mayResume: number;
        elsewhere: number;
      }
    >(
      `SELECT c.build_id AS buildId, c.request_id AS requestId, b.buildset_id AS buildsetId, c.builder_id AS builderId,
              c.epoch AS epoch, m.name AS master, c.master_id AS masterId, c.master_epoch AS masterEpoch,
              ${alive} AS alive, COALESCE(w.master_id <> c.master_id OR w.master_epoch <> c.master_epoch, 0) AS elsewhere,
              ${this.db.dialect.nowMs} - c.parked_at_ms AS parkedForMs,
              (w.resumes = 1 AND NOT EXISTS (SELECT 1 FROM steps s
                WHERE s.build_id = c.build_id AND s.complete_at_ms IS NULL AND s.resumable = 0)
               AND NOT EXISTS (SELECT 1 FROM master_commands o
                WHERE o.done_at_ms IS NULL AND o.kind = 'stop-build' AND o.subject_id = c.build_id)) AS mayResume
       FROM claims c JOIN masters m ON m.id = c.master_id JOIN builds b ON b.id = c.build_id JOIN workers w ON w.id = c.worker_id
       WHERE c.parked_at_ms IS NOT NULL OR NOT ${alive}
       ORDER BY mayResume LIMIT 200`,
    );
    return rows.map(({ alive: engineIsAlive, mayResume, elsewhere, ...row }) => ({
      ...row,
      engineIsAlive: engineIsAlive === 1,
      mayResume: mayResume === 1,
      workerIsElsewhere: elsewhere === 1,
    }));
  }

  /**
   * Gives an orphan's request back to the queue. Null when somebody else did so first, when its engine or its worker came back, or while
   * that engine stands still in the middle of a transaction about it: the other orphans do not wait for this one.
   */
  reap(orphan: Orphan, stateString = `retry: engine ${orphan.master} went away`): Promise<EndedBuild | null> {
    return this.db.transaction(async (tx) => {
      const row = await tx.get(
        `SELECT c.request_id FROM claims c JOIN masters m ON m.id = c.master_id
         WHERE c.request_id = ? AND c.epoch = ? AND (c.parked_at_ms IS NOT NULL OR NOT ${aliveSql(tx, 'c.master_epoch')})${tx.dialect.forUpdateSkipLocked}`,
        [orphan.requestId, orphan.epoch],
      );
      if (!row) return null;
      return endBuildIn(tx, orphan, { results: Result.RETRY, stateString, death: !orphan.engineIsAlive });
    });
  }

  /** What this incarnation works on according to the database. */
  held(me: Incarnation): Promise<BuildKey[]> {
    return this.db.all<BuildKey>(
      `SELECT c.build_id AS buildId, c.request_id AS requestId, b.buildset_id AS buildsetId, c.builder_id AS builderId, c.epoch AS epoch
       FROM claims c JOIN builds b ON b.id = c.build_id
       WHERE c.master_id = ? AND c.master_epoch = ? AND c.parked_at_ms IS NULL`,
      [me.masterId, me.epoch],
    );
  }

  /** Ends an attempt of ours outside the journal, for one whose claim we found but never began. */
  end(key: BuildKey, end: BuildEnd): Promise<EndedBuild> {
    return this.db.transaction(async (tx) => {
      await assertClaimed(tx, [key]);
      return endBuildIn(tx, key, end);
    });
  }
}

/**
 * Locks the claims of these builds. @returns the ids of the builds that are still ours; every write about a build comes after it, in
 * the same transaction (the fence guards inserts too).
 */
export async function claimedOf(tx: Transaction, keys: readonly BuildKey[]): Promise<Set<number>> {
  if (sabotaged('fence')) return new Set(keys.map((key) => key.buildId));
  const rows = await tx.all<{ requestId: number; epoch: number }>(
    `SELECT request_id AS requestId, epoch FROM claims WHERE request_id IN ${placeholders(keys.length)}${tx.dialect.forUpdate}`,
    keys.map((key) => key.requestId),
  );
  const epochs = new Map(rows.map((row) => [row.requestId, row.epoch]));
  return new Set(keys.filter((key) => epochs.get(key.requestId) === key.epoch).map((key) => key.buildId));
}

/** @throws FencedError */
export async function assertClaimed(tx: Transaction, keys: readonly BuildKey[]): Promise<void> {
  const ours = await claimedOf(tx, keys);
  for (const key of keys) if (!ours.has(key.buildId)) throw new FencedError(`build ${key.buildId}`, { ...key });
}

/**
 * Takes requests off the queue and makes a build of each (`docs/adr/0002-claims-by-skip-locked.md`). A candidate that somebody else took, or whose
 * worker has no room, is left out of the answer, which is normal.
 * @throws FencedError when our own lease is over
 */
export async function claimIn(
  tx: Transaction,
  me: Incarnation,
  candidates: readonly ClaimCandidate[],
): Promise<ClaimedBuild[]> {
  if (candidates.length === 0) return [];
  await assertLeased(tx, me);
  const wanted = await withRoom(tx, me, candidates);
  if (wanted.length === 0) return [];
  const locked = await tx.all<{ requestId: number }>(
    `SELECT request_id AS requestId FROM queue WHERE request_id IN ${placeholders(wanted.length)}
     ORDER BY request_id${tx.dialect.forUpdateSkipLocked}`,
    wanted.map((candidate) => candidate.requestId),
  );
  const free = new Set(locked.map((row) => row.requestId));
  const won = wanted.filter((candidate) => free.has(candidate.requestId));
  if (won.length === 0) return [];
  const ids = won.map((candidate) => candidate.requestId);
  const now = tx.dialect.nowMs;
  await tx.defer(`DELETE FROM queue WHERE request_id IN ${placeholders(ids.length)}`, ids);
  await tx.defer(
    `UPDATE build_requests SET attempts = attempts + 1, epoch = epoch + 1, claimed_at_ms = ${now}, claimed_by_master_id = ?
     WHERE id IN ${placeholders(ids.length)}`,
    [me.masterId, ...ids],
  );
  const requests = await requestsOf(tx, ids);
  const numbers = await takeNumbers(tx, won);
  const builds = won.map((candidate, i): Omit<ClaimedBuild, 'buildId'> => {
    const request = requests.get(candidate.requestId)!;
    const number = numbers[i]!;
    return {
      requestId: candidate.requestId,
      buildsetId: request.buildsetId,
      builderId: candidate.builderId,
      epoch: request.epoch,
      attempt: request.attempts,
      uuid: uuidv7(),
      number,
      workerId: candidate.workerId,
      sourceStamps: request.sourceStamps,
      properties: mergeProperties(
        candidate.properties,
        propertiesFrom(
          {
            ...sourceProperties(request.sourceStamps),
            // Which attempt of which request this is, for commands that want to tell (`%(prop:attempt)s`).
            requestid: candidate.requestId,
            attempt: request.attempts,
          },
          'Build',
        ),
        request.properties,
        propertiesFrom({ buildername: candidate.builderName, buildnumber: number }, 'Builder'),
        propertiesFrom({ workername: candidate.workerName }, 'Worker'),
      ),
    };
  });
  const inserted = await tx.run(
    `INSERT INTO builds (uuid, number, builder_id, request_id, buildset_id, attempt, worker_id, master_id, started_at_ms,
       state_string, locks_ms, properties, fingerprint)
     VALUES ${builds.map(() => `(?, ?, ?, ?, ?, ?, ?, ?, ${now}, 'starting', 0, ?, ?)`).join(', ')}`,
    builds.flatMap((build, i) => [
      uuidToBytes(build.uuid),
      build.number,
      build.builderId,
      build.requestId,
      build.buildsetId,
      build.attempt,
      build.workerId,
      me.masterId,
      JSON.stringify(build.properties),
      won[i]!.fingerprint ?? null,
    ]),
  );
  const buildIds = await idsOf(tx, builds, inserted.insertId);
  const claimed = builds.map((build, i): ClaimedBuild => ({ ...build, buildId: buildIds[i]! }));
  await tx.defer(
    `INSERT INTO claims (request_id, build_id, builder_id, worker_id, master_id, master_epoch, epoch)
     VALUES ${rowPlaceholders(claimed.length, 7)}`,
    claimed.flatMap((build) => [
      build.requestId,
      build.buildId,
      build.builderId,
      build.workerId,
      me.masterId,
      me.epoch,
      build.epoch,
    ]),
  );
  return claimed;
}

/** Of builds that were just inserted. Only the first is known: the nodes of a cluster may take turns with the others. */
async function idsOf(tx: Transaction, builds: readonly { readonly uuid: Uuid }[], first: number): Promise<number[]> {
  if (builds.length === 1) return [first];
  const rows = await tx.all<{ id: number; uuid: Buffer }>(
    `SELECT id, uuid FROM builds WHERE uuid IN ${placeholders(builds.length)}`,
    builds.map(({ uuid }) => uuidToBytes(uuid)),
  );
  const ids = new Map(rows.map(({ id, uuid }) => [uuidFromBytes(uuid), id]));
  return builds.map(({ uuid }) => ids.get(uuid)!);
}

/** A request, as whoever begins or continues an attempt at it has to know it. */
export interface RequestRow {
  requestId: number;
  buildsetId: number;
  attempts: number;
  epoch: number;
  properties: Properties;
  sourceStamps: SourceStamp[];
}

export async function requestsOf(tx: Queryable, ids: readonly number[]): Promise<Map<number, RequestRow>> {
  const rows = await tx.all<Omit<RequestRow, 'properties' | 'sourceStamps'> & { properties: string }>(
    `SELECT r.id AS requestId, r.buildset_id AS buildsetId, r.attempts AS attempts, r.epoch AS epoch, s.properties AS properties
     FROM build_requests r JOIN buildsets s ON s.id = r.buildset_id WHERE r.id IN ${placeholders(ids.length)}`,
    ids,
  );
  const stamps = await tx.all<SourceStamp & { buildsetId: number }>(
    `SELECT b.buildset_id AS buildsetId, s.branch, s.revision, s.repository, s.project, s.codebase
     FROM buildset_source_stamps b JOIN source_stamps s ON s.id = b.source_stamp_id
     WHERE b.buildset_id IN ${placeholders(rows.length)}`,
    rows.map((row) => row.buildsetId),
  );
  const byBuildset = new Map<number, SourceStamp[]>(rows.map((row) => [row.buildsetId, []]));
  for (const { buildsetId, ...stamp } of byCodebase(stamps)) byBuildset.get(buildsetId)!.push(stamp);
  return new Map(
    rows.map((row) => [
      row.requestId,
      {
        ...row,
        properties: JSON.parse(row.properties) as Properties,
        sourceStamps: byBuildset.get(row.buildsetId)!,
      },
    ]),
  );
}

/** A build number for each, in order; builder rows are locked in the order of their ids, so that claimers do not deadlock. */
async function takeNumbers(tx: Transaction, won: readonly ClaimCandidate[]): Promise<number[]> {
  const wanted = new Map<number, number>();
  for (const { builderId } of won) wanted.set(builderId, (wanted.get(builderId) ?? 0) + 1);
  const builderIds = [...wanted.keys()].sort((a, b) => a - b);
  await tx.defer(
    `UPDATE builders SET next_number = next_number + CASE id ${'WHEN ? THEN ? '.repeat(builderIds.length)}ELSE 0 END
     WHERE id IN ${placeholders(builderIds.length)}`,
    [...builderIds.flatMap((id) => [id, wanted.get(id)!]), ...builderIds],
  );
  const rows = await tx.all<{ id: number; next: number }>(
    `SELECT id, next_number AS next FROM builders WHERE id IN ${placeholders(builderIds.length)}`,
    builderIds,
  );
  const next = new Map(rows.map((row) => [row.id, row.next - wanted.get(row.id)!]));
  return won.map(({ builderId }) => {
    const number = next.get(builderId)!;
    next.set(builderId, number + 1);
    return number;
  });
}

/** Ends an attempt whose claim is locked in this transaction: its request is completed, or queued again after RETRY. */
export async function endBuildIn(tx: Transaction, key: BuildKey, end: BuildEnd): Promise<EndedBuild> {
  const now = tx.dialect.nowMs;
  const request = (await tx.get<{ attempts: number; deaths: number; priority: number; submittedAtMs: number }>(
    `SELECT attempts, deaths, priority, submitted_at_ms AS submittedAtMs FROM build_requests WHERE id = ?`,
    [key.requestId],
  ))!;
  const { results, stateString } = await verdict(tx, key, request, end);
  await tx.defer(
    `UPDATE builds SET complete_at_ms = ${now}, results = ?, state_string = ? WHERE id = ? AND complete_at_ms IS NULL`,
    [results, stateString, key.buildId],
  );
  await tx.defer(
    `UPDATE steps SET complete_at_ms = ${now}, results = ? WHERE build_id = ? AND complete_at_ms IS NULL`,
    [results, key.buildId],
  );
  await tx.defer(`UPDATE logs SET complete = 1 WHERE build_id = ? AND complete = 0`, [key.buildId]);
  await tx.defer(`DELETE FROM claims WHERE request_id = ? AND epoch = ?`, [key.requestId, key.epoch]);
  await tx.defer(
    `UPDATE master_commands SET done_at_ms = ${now}, result = 'the build has ended'
     WHERE done_at_ms IS NULL AND kind = 'stop-build' AND subject_id = ?`,
    [key.buildId],
  );
  const ended = { buildId: key.buildId, requestId: key.requestId, builderId: key.builderId };
  if (results === Result.RETRY) {
    await tx.defer(
      `UPDATE build_requests SET claimed_at_ms = NULL, claimed_by_master_id = NULL, deaths = deaths + ? WHERE id = ?`,
      [end.death ? 1 : 0, key.requestId],
    );
    await tx.defer(`INSERT INTO queue (request_id, builder_id, queue_rank, submitted_at_ms) VALUES (?, ?, ?, ?)`, [
      key.requestId,
      key.builderId,
      -request.priority,
      request.submittedAtMs,
    ]);
    return { ...ended, requeued: true, completedBuildsetId: null };
  }
  const completedBuildsetId = await completeRequest(tx, key, results, results === end.results ? null : stateString);
  await tx.defer(
    `UPDATE builders SET latest_build_id = ?, latest_results = ? WHERE id = ? AND (latest_build_id IS NULL OR latest_build_id < ?)`,
    [key.buildId, results, key.builderId, key.buildId],
  );
  if (results === Result.SUCCESS || results === Result.WARNINGS) {
    await tx.defer(
      `UPDATE builders SET latest_green_build_id = ? WHERE id = ? AND (latest_green_build_id IS NULL OR latest_green_build_id < ?)`,
      [key.buildId, key.builderId, key.buildId],
    );
  }
  return { ...ended, requeued: false, completedBuildsetId };
}

/** RETRY unless the request was cancelled meanwhile or has been tried often enough. */
async function verdict(
  tx: Transaction,
  key: BuildKey,
  request: { attempts: number; deaths: number },
  end: BuildEnd,
): Promise<{ results: Result; stateString: string }> {
  if (end.results !== Result.RETRY) return end;
  const stop = await tx.get<{ args: string }>(
    `SELECT args FROM master_commands WHERE done_at_ms IS NULL AND kind = 'stop-build' AND subject_id = ? ORDER BY id LIMIT 1`,
    [key.buildId],
  );
  if (stop) {
    const { reason = 'no reason' } = JSON.parse(stop.args) as MasterCommand['args'];
    return { results: Result.CANCELLED, stateString: `cancelled (${reason})` };
  }
  if (end.death && request.deaths + 1 >= DEATHS_ALLOWED) {
    return {
      results: Result.EXCEPTION,
      stateString: `exception: given up after ${DEATHS_ALLOWED} attempts that ended with their engine or runner dying (${end.stateString})`,
    };
  }
  if (request.attempts >= ATTEMPTS_ALLOWED) {
    return {
      results: Result.EXCEPTION,
      stateString: `exception: given up after ${request.attempts} attempts (${end.stateString})`,
    };
  }
  return end;
}
