import {
  checkSourceStamps,
  collapseKey,
  placeKey,
  type Properties,
  Result,
  type SourceStamp,
  type Uuid,
  uuidFromBytes,
  uuidToBytes,
  uuidv7,
} from '@millrace/domain';
import { collapseIn, type CollapsedRequest, type CollapseKeys, collapsibleRequests } from './collapsing.js';
import { completeBuildset } from './completing.js';
import { keepSourceStamps } from './source-stamps.js';
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

/**
 * Makes a buildset. Compatible older requests that wait are collapsed into its requests, where the builders allow it. Prepared SQL, because
 * a trigger waits for it. Returns null when the scheduler has made a buildset for this cause before.
 *
 * @throws UserError `bad-source-stamps`, `bad-patch`
 */
export async function createBuildset(tx: Transaction, buildset: NewBuildset): Promise<CreatedBuildset | null> {
  const created = await deferBuildset(tx, buildset);
  await tx.sendDeferred();
  return created && created();
}

/**
 * Makes a buildset as `createBuildset` does, for a transaction that has nothing more to do: the last statements travel with the commit.
 * @returns what returns it after the commit
 */
export async function deferBuildset(tx: Transaction, buildset: NewBuildset): Promise<(() => CreatedBuildset) | null> {
  checkSourceStamps(buildset.sourceStamps);
  const now = tx.dialect.nowMs;
  const uuid = uuidv7();
  const keys = keysOf(buildset);
  const collapsible = keys && (await collapsibleRequests(tx, keys, buildset.builderIds));
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
  const hashes = await keepSourceStamps(tx, buildset.sourceStamps);
  if (hashes.length > 0)
    await tx.defer(
      `INSERT INTO buildset_source_stamps (buildset_id, source_stamp_id)
       SELECT ?, id FROM source_stamps WHERE hash IN ${placeholders(hashes.length)}`,
      [buildsetId, ...hashes],
    );
  const changeIds = buildset.changeIds ?? [];
  if (changeIds.length > 0) {
    await tx.defer(
      `INSERT INTO buildset_changes (buildset_id, change_id) VALUES ${rowPlaceholders(changeIds.length, 2)}`,
      changeIds.flatMap((changeId) => [buildsetId, changeId]),
    );
  }
  const requests = await addRequests(tx, buildset, { buildsetId, keys });
  if (buildset.builderIds.length === 0) await completeBuildset(tx, buildsetId, Result.SUCCESS);
  const { compatible: older, askingBuilderIds } = collapsible?.() ?? { compatible: [], askingBuilderIds: [] };
  if (askingBuilderIds.length > 0)
    await tx.defer(
      `INSERT INTO collapse_questions (request_id)
       SELECT id FROM build_requests WHERE buildset_id = ? AND builder_id IN ${placeholders(askingBuilderIds.length)}`,
      [buildsetId, ...askingBuilderIds],
    );
  if (older.length === 0) return () => ({ buildsetId, uuid, requests: requests(), collapsed: [] });
  await tx.sendDeferred();
  const byBuilder = new Map(requests().map(({ builderId, requestId }) => [builderId, requestId]));
  const collapsed = await collapseIn(
    tx,
    older.map((one) => ({ ...one, intoRequestId: byBuilder.get(one.builderId)! })),
  );
  return () => ({ buildsetId, uuid, requests: requests(), collapsed });
}

/**
 * Adds the build requests of a new buildset to it and to the queue.
 * @returns what returns them once these statements were sent
 */
async function addRequests(
  tx: Transaction,
  { builderIds, priority = 0, parent, repeatsBuildId = null }: NewBuildset,
  { buildsetId, keys }: { readonly buildsetId: number; readonly keys: CollapseKeys | null },
): Promise<() => CreatedBuildset['requests']> {
  const now = tx.dialect.nowMs;
  for (const ids of chunked(builderIds)) {
    const row = `(?, ?, ?, ?, ?, ${now}, 0, 0, ?)`;
    await tx.defer(
      `INSERT INTO build_requests (uuid, buildset_id, builder_id, priority, waited_for, submitted_at_ms, attempts, deaths,
         repeats_build_id)
       VALUES ${ids.map(() => row).join(', ')}`,
      ids.flatMap((builderId) => [
        ...[uuidToBytes(uuidv7()), buildsetId, builderId, priority, parent?.waits ?? false, repeatsBuildId],
      ]),
    );
  }
  await tx.defer(
    `INSERT INTO queue (request_id, builder_id, queue_rank, submitted_at_ms, collapse_key)
     SELECT r.id, r.builder_id, ?, r.submitted_at_ms, CASE b.collapse WHEN 'always' THEN ? WHEN 'asked' THEN ? END
     FROM build_requests r LEFT JOIN builders b ON b.id = r.builder_id WHERE r.buildset_id = ?`,
    [-priority, keys?.always ?? null, keys?.asked ?? null, buildsetId],
  );
  const rows = await tx.deferAll<{ requestId: number; uuid: Uint8Array; builderId: number }>(
    `SELECT id AS requestId, uuid, builder_id AS builderId FROM build_requests WHERE buildset_id = ? ORDER BY id`,
    [buildsetId],
  );
  return () => rows().map((row) => ({ ...row, uuid: uuidFromBytes(row.uuid) }));
}

/**
 * Returns the collapse keys of a new buildset. Null for a patch, which nothing else builds, and for a rebuild: whoever repeats an old build
 * wants that one, and the newer ones, too. Null where a build waits: it needs the result, and takes its requests with it when it ends.
 */
function keysOf({
  rebuiltBuildId = null,
  parent,
  sourceStamps,
  properties,
  changeIds = [],
}: NewBuildset): CollapseKeys | null {
  if (rebuiltBuildId !== null || parent?.waits) return null;
  const always = collapseKey({ sourceStamps, properties, isForChanges: changeIds.length > 0 });
  const asked = placeKey(sourceStamps);
  return always === null || asked === null ? null : { always, asked };
}
