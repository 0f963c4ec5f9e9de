import { createHash } from 'node:crypto';
import {
  checkSourceStamps,
  collapseKey,
  type Properties,
  Result,
  type SourceStamp,
  type Uuid,
  uuidToBytes,
  uuidv7,
} from '@millrace/domain';
import { collapseIn, type CollapsedRequest, compatibleRequests } from './collapsing.js';
import { completeBuildset } from './completing.js';
import { chunked, placeholders, rowPlaceholders, type Transaction } from './sql.js';

export interface NewBuildset {
  readonly schedulerId: number | null;
  readonly schedulerName: string;
  /** Unique per scheduler: a scheduler makes one buildset per cause (I2). */
  readonly cause: string;
  readonly reason: string;
  /** At most one per codebase. */
  readonly sourceStamps: readonly SourceStamp[];
  readonly changeIds?: readonly number[];
  readonly properties: Properties;
  readonly builderIds: readonly number[];
  readonly priority?: number;
  readonly externalId?: string | null;
  readonly rebuiltBuildId?: number | null;
  /** The build whose good children stand for those of the new one. */
  readonly repeatsBuildId?: number | null;
  readonly parent?: {
    readonly buildId: number;
    readonly relationship: string;
    /** Whether the build waits for the requests. They are cancelled when it ends before them. */
    readonly waits: boolean;
  };
}

export interface CreatedBuildset {
  readonly buildsetId: number;
  readonly uuid: Uuid;
  readonly requests: readonly { readonly requestId: number; readonly uuid: Uuid; readonly builderId: number }[];
  /** Older requests that were collapsed into these. */
  readonly collapsed: readonly CollapsedRequest[];
}

/** Returns the ids of source stamps, in order. New ones are inserted in the order of their hashes, so that two masters do not deadlock. */
export async function sourceStampIds(tx: Transaction, stamps: readonly SourceStamp[]): Promise<number[]> {
  const parts = stamps.map((one) => [one.branch, one.revision, one.repository, one.project, one.codebase]);
  const hashes = parts.map((part) => createHash('sha256').update(JSON.stringify(part)).digest('hex'));
  const byHash = new Map(hashes.map((hash, i) => [hash, parts[i]!]));
  const sorted = [...byHash].sort(([a], [b]) => (a < b ? -1 : 1));
  const ids = new Map<string, number>();
  for (const some of chunked(sorted)) {
    const row = `(?, ?, ?, ?, ?, ?, ${tx.dialect.nowMs})`;
    await tx.defer(
      `${tx.dialect.insertIgnore} INTO source_stamps (hash, branch, revision, repository, project, codebase, created_at_ms)
       VALUES ${some.map(() => row).join(', ')}`,
      some.flatMap(([hash, part]) => [hash, ...part]),
    );
    const rows = await tx.all<{ id: number; hash: string }>(
      `SELECT id, hash FROM source_stamps WHERE hash IN ${placeholders(some.length)}`,
      some.map(([hash]) => hash),
    );
    for (const { id, hash } of rows) ids.set(hash, id);
  }
  return hashes.map((hash) => ids.get(hash)!);
}

/**
 * Makes a buildset. Compatible older requests that wait are collapsed into its requests, where the builders allow it. Prepared SQL, because
 * a trigger waits for it. Returns null when the scheduler has made a buildset for this cause before.
 *
 * @throws UserError `bad-source-stamps`
 */
export async function createBuildset(tx: Transaction, buildset: NewBuildset): Promise<CreatedBuildset | null> {
  checkSourceStamps(buildset.sourceStamps);
  const now = tx.dialect.nowMs;
  const uuid = uuidv7();
  const inserted = await tx.run(
    `${tx.dialect.insertIgnore} INTO buildsets (uuid, scheduler_id, scheduler_name, cause, reason, external_id, submitted_at_ms,
       properties, rebuilt_build_id, parent_build_id, parent_relationship, requests_left)
     VALUES (?, ?, ?, ?, ?, ?, ${now}, ?, ?, ?, ?, ?)`,
    [
      uuidToBytes(uuid),
      buildset.schedulerId,
      buildset.schedulerName,
      buildset.cause,
      buildset.reason,
      buildset.externalId ?? null,
      JSON.stringify(buildset.properties),
      buildset.rebuiltBuildId ?? null,
      buildset.parent?.buildId ?? null,
      buildset.parent?.relationship ?? null,
      buildset.builderIds.length,
    ],
  );
  if (inserted.affected === 0) return null;
  const buildsetId = inserted.insertId;
  const stampIds = await sourceStampIds(tx, buildset.sourceStamps);
  if (stampIds.length > 0)
    await tx.defer(
      `INSERT INTO buildset_source_stamps (buildset_id, source_stamp_id) VALUES ${rowPlaceholders(stampIds.length, 2)}`,
      stampIds.flatMap((stampId) => [buildsetId, stampId]),
    );
  const changeIds = buildset.changeIds ?? [];
  if (changeIds.length > 0) {
    await tx.defer(
      `INSERT INTO buildset_changes (buildset_id, change_id) VALUES ${rowPlaceholders(changeIds.length, 2)}`,
      changeIds.flatMap((changeId) => [buildsetId, changeId]),
    );
  }
  const key = keyOf(buildset);
  const compatible = key === null ? [] : await compatibleRequests(tx, key, buildset.builderIds);
  const requests: { requestId: number; uuid: Uuid; builderId: number }[] = [];
  for (const builderId of buildset.builderIds) {
    const requestUuid = uuidv7();
    const priority = buildset.priority ?? 0;
    const request = await tx.run(
      `INSERT INTO build_requests (uuid, buildset_id, builder_id, priority, waited_for, submitted_at_ms, attempts, deaths,
         repeats_build_id)
       VALUES (?, ?, ?, ?, ?, ${now}, 0, 0, ?)`,
      [
        ...[uuidToBytes(requestUuid), buildsetId, builderId, priority, buildset.parent?.waits ?? false],
        buildset.repeatsBuildId ?? null,
      ],
    );
    await tx.defer(
      `INSERT INTO queue (request_id, builder_id, queue_rank, submitted_at_ms, collapse_key)
       VALUES (?, ?, ?, ${now}, (SELECT CASE WHEN collapse IS NULL THEN NULL ELSE ? END FROM builders WHERE id = ?))`,
      [request.insertId, builderId, -priority, key, builderId],
    );
    requests.push({ requestId: request.insertId, uuid: requestUuid, builderId });
  }
  if (requests.length === 0) {
    await completeBuildset(tx, buildsetId, Result.SUCCESS);
  }
  const byBuilder = new Map(requests.map(({ builderId, requestId }) => [builderId, requestId]));
  const collapsed = await collapseIn(
    tx,
    compatible.map((older) => ({ ...older, intoRequestId: byBuilder.get(older.builderId)! })),
  );
  return { buildsetId, uuid, requests, collapsed };
}

/**
 * Returns the collapse key of a new buildset. Null for a rebuild: whoever repeats an old build wants that one, and the newer ones, too.
 * Null where a build waits: it needs the result, and takes its requests with it when it ends.
 */
function keyOf({
  rebuiltBuildId = null,
  parent,
  sourceStamps,
  properties,
  changeIds = [],
}: NewBuildset): string | null {
  if (rebuiltBuildId !== null || parent?.waits) return null;
  return collapseKey({ sourceStamps, properties, isForChanges: changeIds.length > 0 });
}
