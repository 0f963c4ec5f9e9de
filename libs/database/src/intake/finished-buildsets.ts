import type { Result, SourceStamp } from '@millrace/domain';
import { type Database, placeholders } from '../sql.js';

export interface FinishedBuildset {
  readonly seq: number;
  readonly buildsetId: number;
  readonly schedulerName: string;
  readonly results: Result;
  readonly sourceStamps: readonly SourceStamp[];
}

/** Most buildsets finished by a master of the previous release that are numbered at once. */
const NUMBERED_AT_ONCE = 1000;

/** Finished buildsets in the order in which they became visible: a cursor over their `seq` misses none. */
export class FinishedBuildsetStore {
  constructor(private readonly db: Database) {}

  async finishedBuildsetsAfter(seq: number, limit: number): Promise<FinishedBuildset[]> {
    await this.numberOthers();
    const rows = await this.db.all<Omit<FinishedBuildset, 'sourceStamps'>>(
      `SELECT seq, id AS buildsetId, scheduler_name AS schedulerName, results FROM buildsets
       WHERE seq > ? ORDER BY seq LIMIT ${Math.trunc(limit)}`,
      [seq],
    );
    if (rows.length === 0) return [];
    const stamps = await this.db.all<SourceStamp & { readonly buildsetId: number }>(
      `SELECT b.buildset_id AS buildsetId, s.branch, s.revision, s.repository, s.project, s.codebase
       FROM buildset_source_stamps b JOIN source_stamps s ON s.id = b.source_stamp_id
       WHERE b.buildset_id IN ${placeholders(rows.length)} ORDER BY b.buildset_id, s.id`,
      rows.map(({ buildsetId }) => buildsetId),
    );
    const sourceStamps = new Map<number, SourceStamp[]>(rows.map(({ buildsetId }) => [buildsetId, []]));
    for (const { buildsetId, ...stamp } of stamps) sourceStamps.get(buildsetId)!.push(stamp);
    return rows.map((row) => ({ ...row, sourceStamps: sourceStamps.get(row.buildsetId)! }));
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
