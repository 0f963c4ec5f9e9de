import { type JsonValue, type Properties, Result, type SourceStamp } from '@millrace/domain';
import { BUILT_STAMP, builtStamp, type BuiltStampRow } from '../source-stamps.js';
import { type Database, placeholders } from '../sql.js';

export interface FinishedBuildset {
  readonly seq: number;
  readonly buildsetId: number;
  readonly schedulerName: string;
  readonly results: Result;
  readonly sourceStamps: readonly SourceStamp[];
  /**
   * The property `got_revision` of the first build that went well and has it. Null when there is none, and when every source stamp names its
   * revision.
   */
  readonly gotRevision: JsonValue;
}

/** Most builds whose properties are read together. */
const BUILDS_READ = 1000;
/** Most buildsets finished by a master of the previous release that are numbered at once. */
const NUMBERED_AT_ONCE = 1000;

/** Finished buildsets in the order in which they became visible: a cursor over their `seq` misses none. */
export class FinishedBuildsetStore {
  constructor(private readonly db: Database) {}

  async finishedBuildsetsAfter(seq: number, limit: number): Promise<FinishedBuildset[]> {
    await this.numberOthers();
    const rows = await this.db.all<Omit<FinishedBuildset, 'sourceStamps' | 'gotRevision'>>(
      `SELECT seq, id AS buildsetId, scheduler_name AS schedulerName, results FROM buildsets
       WHERE seq > ? ORDER BY seq LIMIT ${Math.trunc(limit)}`,
      [seq],
    );
    if (rows.length === 0) return [];
    const stamps = await this.db.all<BuiltStampRow & { readonly buildsetId: number }>(
      `SELECT b.buildset_id AS buildsetId, ${BUILT_STAMP.columns}
       FROM buildset_source_stamps b JOIN source_stamps s ON s.id = b.source_stamp_id ${BUILT_STAMP.join}
       WHERE b.buildset_id IN ${placeholders(rows.length)} ORDER BY b.buildset_id, s.id`,
      rows.map(({ buildsetId }) => buildsetId),
    );
    const sourceStamps = new Map<number, SourceStamp[]>(rows.map(({ buildsetId }) => [buildsetId, []]));
    for (const row of stamps) sourceStamps.get(row.buildsetId)!.push(builtStamp(row));
    const got = await this.gotRevisions(
      rows.map(({ buildsetId }) => buildsetId).filter((id) => sourceStamps.get(id)!.some(({ revision }) => !revision)),
    );
    return rows.map((row) => ({
      ...row,
      sourceStamps: sourceStamps.get(row.buildsetId)!,
      gotRevision: got.get(row.buildsetId) ?? null,
    }));
  }

  private async gotRevisions(buildsetIds: readonly number[]): Promise<ReadonlyMap<number, JsonValue>> {
    if (buildsetIds.length === 0) return new Map();
    const builds = await this.db.all<{ buildsetId: number; properties: string }>(
      `SELECT r.buildset_id AS buildsetId, b.properties FROM build_requests r JOIN builds b ON b.request_id = r.id
       WHERE r.buildset_id IN ${placeholders(buildsetIds.length)} AND b.results IN (${Result.SUCCESS}, ${Result.WARNINGS})
       ORDER BY b.id LIMIT ${BUILDS_READ}`,
      buildsetIds,
    );
    const found = new Map<number, JsonValue>();
    for (const { buildsetId, properties } of builds) {
      const got = (JSON.parse(properties) as Properties)['got_revision']?.[0];
      if (got !== undefined && !found.has(buildsetId)) found.set(buildsetId, got);
    }
    return found;
  }

  /** Numbers buildsets finished by masters of the previous release, which do not do it themselves (I10). */
  private async numberOthers(): Promise<void> {
    const found = `FROM buildsets WHERE seq IS NULL AND complete_at_ms > 0`;
    if (!(await this.db.get(`SELECT id ${found} LIMIT 1`))) return;
    await this.db.transaction(async (tx) => {
      const rows = await tx.all<{ id: number }>(
        `SELECT id ${found} ORDER BY complete_at_ms, id LIMIT ${NUMBERED_AT_ONCE}${tx.dialect.forUpdate}`,
      );
      for (const { id } of rows) {
        await tx.deferToEnd(`UPDATE counters SET value = value + 1 WHERE name = 'buildset-seq'`);
        await tx.deferToEnd(
          `UPDATE buildsets SET seq = (SELECT value FROM counters WHERE name = 'buildset-seq') WHERE id = ?`,
          [id],
        );
      }
    });
  }
}
