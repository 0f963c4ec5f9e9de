import {
  admitted,
  type LockNeed,
  type Properties,
  propertiesFrom,
  propertiesGiven,
  sourceProperties,
  type SourceStamp,
  type Uuid,
  uuidFromBytes,
  uuidToBytes,
  uuidv7,
} from '@millrace/domain';
import { deferLeaseCheck, type Incarnation } from '../masters.js';
import { placeholders, rowPlaceholders, type Transaction } from '../sql.js';
import { deferClaimFacts } from './claim-facts.js';
import { LocksOfClaims, type WaitingClaim } from './claim-locks.js';
import type { BuildKey } from './fence.js';
import { type RequestRow, deferRequests } from './requests.js';

export interface ClaimCandidate {
  readonly requestId: number;
  readonly builderId: number;
  readonly builderName: string;
  readonly workerId: number;
  readonly workerName: string;
  /** The builder's and the worker's own properties, which take precedence over those of the buildset. */
  readonly properties: Properties;
  /** What everything else gives way to: where it is built, and for which project. */
  readonly builtIn?: Properties;
  /** Fingerprint of the builder in the configuration that the build runs under. */
  readonly fingerprint?: string;
  /** The worker's session here in which the build begins. Undefined: the worker is to be started for the build. */
  readonly sessionEpoch?: number;
  /** The locks of the builder and the worker. They are taken with the claim and held as long. */
  readonly locks?: readonly LockNeed[];
  /** Whether the builder's next request may need other locks: it waits for these only, and for none that another request waited for. */
  readonly locksVary?: boolean;
}

export interface ClaimedBuild extends BuildKey {
  readonly uuid: Uuid;
  readonly number: number;
  readonly attempt: number;
  readonly workerId: number;
  readonly properties: Properties;
  /** Whether its buildset was made for changes. */
  readonly hasChanges: boolean;
  /** In the order of their codebases. */
  readonly sourceStamps: readonly SourceStamp[];
}

/** The outcome of candidates. Those in neither list belong to another engine, or are refused by the admissions. */
export interface Claims {
  readonly builds: readonly ClaimedBuild[];
  readonly waiting: readonly WaitingClaim[];
}

/**
 * Takes requests off the queue and makes a build of each (`docs/adr/0002-claims-by-skip-locked.md`). Every claim locks in this order:
 * workers, locks, queue, requests, builders; each by id. A candidate that another engine took, or that the admissions refuse, is left out
 * of the answer, which is normal. One that only has to wait for a lock gets its place in the queue for that.
 * @throws FencedError when our own lease is over
 */
export async function claimIn(
  tx: Transaction,
  me: Incarnation,
  candidates: readonly ClaimCandidate[],
): Promise<Claims> {
  if (candidates.length === 0) return { builds: [], waiting: [] };
  const checkLease = await deferLeaseCheck(tx, me);
  const readFacts = await deferClaimFacts(
    tx,
    me,
    candidates.map(({ workerId }) => workerId),
  );
  const readLocks = await LocksOfClaims.defer(tx, candidates);
  const free = await inQueue(tx, candidates);
  checkLease();
  const { workers, placeOf } = readFacts();
  const locks = readLocks();
  const { claims: won, waiting } = admitted(free, workers, placeOf, locks);
  const builds = won.length === 0 ? [] : await beginBuilds(tx, me, won, locks);
  await locks?.record(
    builds,
    waiting.map(({ claim }) => claim),
  );
  return {
    builds,
    waiting: waiting.map(({ claim: { requestId, builderId, workerId }, lock }) => ({
      requestId,
      builderId,
      workerId,
      lock,
    })),
  };
}

/**
 * Returns the candidates that nobody else has taken or is about to take. Their queue rows stay locked: the request belongs to whoever
 * deletes the row.
 */
async function inQueue(tx: Transaction, candidates: readonly ClaimCandidate[]): Promise<ClaimCandidate[]> {
  const rows = await tx.all<{ requestId: number }>(
    `SELECT request_id AS requestId FROM queue WHERE request_id IN ${placeholders(candidates.length)}
     ORDER BY request_id${tx.dialect.forUpdateSkipLocked}`,
    candidates.map((candidate) => candidate.requestId),
  );
  const free = new Set(rows.map((row) => row.requestId));
  return candidates.filter((candidate) => free.has(candidate.requestId));
}

/** Takes admitted requests off the queue and makes their builds. */
async function beginBuilds(
  tx: Transaction,
  me: Incarnation,
  won: readonly ClaimCandidate[],
  locks: LocksOfClaims | null,
): Promise<ClaimedBuild[]> {
  const ids = won.map((candidate) => candidate.requestId);
  await tx.defer(`DELETE FROM queue WHERE request_id IN ${placeholders(ids.length)}`, ids);
  await tx.defer(
    `UPDATE build_requests SET attempts = attempts + 1, epoch = epoch + 1, claimed_at_ms = ${tx.dialect.nowMs}, claimed_by_master_id = ?
     WHERE id IN ${placeholders(ids.length)}`,
    [me.masterId, ...ids],
  );
  return insertBuilds(tx, me, won, await newBuilds(tx, won, locks));
}

type NewBuild = Omit<ClaimedBuild, 'buildId'>;

/** Returns the new build of each claimed request, in order. */
async function newBuilds(
  tx: Transaction,
  won: readonly ClaimCandidate[],
  locks: LocksOfClaims | null,
): Promise<NewBuild[]> {
  const read = await deferRequests(
    tx,
    won.map((candidate) => candidate.requestId),
  );
  const numbers = await takeNumbers(tx, won);
  const requests = read();
  return won.map((candidate, i) => {
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
      hasChanges: request.hasChanges,
      sourceStamps: request.sourceStamps,
      properties: { ...buildProperties(candidate, request, number), ...locks?.propertiesOf(candidate) },
    };
  });
}

function buildProperties(candidate: ClaimCandidate, request: RequestRow, number: number): Properties {
  // Lets commands know which attempt of which request they belong to (`%(prop:attempt)s`).
  const attempt = { requestid: candidate.requestId, attempt: request.attempts };
  return propertiesGiven({
    buildset: request.properties,
    configuration: candidate.properties,
    build: {
      ...propertiesFrom({ ...sourceProperties(request.sourceStamps), ...attempt, buildnumber: number }, 'Build'),
      ...propertiesFrom({ buildername: candidate.builderName }, 'Builder'),
      ...propertiesFrom({ workername: candidate.workerName }, 'Worker'),
      ...candidate.builtIn,
    },
  });
}

/** Inserts builds and their claims. */
async function insertBuilds(
  tx: Transaction,
  me: Incarnation,
  won: readonly ClaimCandidate[],
  builds: readonly NewBuild[],
): Promise<ClaimedBuild[]> {
  await tx.defer(
    `INSERT INTO builds (uuid, number, builder_id, request_id, buildset_id, attempt, worker_id, master_id, started_at_ms,
       state_string, locks_ms, properties, fingerprint)
     VALUES ${builds.map(() => `(?, ?, ?, ?, ?, ?, ?, ?, ${tx.dialect.nowMs}, 'starting', 0, ?, ?)`).join(', ')}`,
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
  const buildIds = await idsOf(tx, builds);
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

/** Returns the ids of builds that were just inserted. The database tells the first one only, and nodes of a cluster may interleave others. */
async function idsOf(tx: Transaction, builds: readonly { readonly uuid: Uuid }[]): Promise<number[]> {
  const rows = await tx.all<{ id: number; uuid: Buffer }>(
    `SELECT id, uuid FROM builds WHERE uuid IN ${placeholders(builds.length)}`,
    builds.map(({ uuid }) => uuidToBytes(uuid)),
  );
  const ids = new Map(rows.map(({ id, uuid }) => [uuidFromBytes(uuid), id]));
  return builds.map(({ uuid }) => ids.get(uuid)!);
}

/** Returns a build number for each, in order. Builder rows are locked in the order of their ids, so that claimers do not deadlock. */
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
