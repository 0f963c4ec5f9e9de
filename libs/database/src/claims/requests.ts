import { byCodebase, type Properties, type SourceStamp } from '@millrace/domain';
import { placeholders, type Queryable } from '../sql.js';

/** The columns of a request that are needed to begin or continue an attempt. */
export interface RequestRow {
  requestId: number;
  buildsetId: number;
  attempts: number;
  epoch: number;
  properties: Properties;
  /** Whether its buildset was made for changes. */
  hasChanges: boolean;
  sourceStamps: SourceStamp[];
}

export async function requestsOf(tx: Queryable, ids: readonly number[]): Promise<Map<number, RequestRow>> {
  const rows = await tx.all<
    Omit<RequestRow, 'properties' | 'hasChanges' | 'sourceStamps'> & { properties: string; hasChanges: number }
  >(
    `SELECT r.id AS requestId, r.buildset_id AS buildsetId, r.attempts AS attempts, r.epoch AS epoch, s.properties AS properties,
       EXISTS (SELECT 1 FROM buildset_changes c WHERE c.buildset_id = r.buildset_id) AS hasChanges
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
        hasChanges: row.hasChanges === 1,
        sourceStamps: byBuildset.get(row.buildsetId)!,
      },
    ]),
  );
}
