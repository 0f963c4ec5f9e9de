import { byCodebase, type Properties, type SourceStamp } from '@millrace/domain';
import { BUILT_STAMP, builtStamp, type BuiltStampRow } from '../source-stamps.js';
import { placeholders, type Queryable, type Transaction } from '../sql.js';

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

type ReadRequest = Omit<RequestRow, 'properties' | 'hasChanges' | 'sourceStamps'> & {
  readonly properties: string;
  readonly hasChanges: number;
};
type ReadStamp = BuiltStampRow & { readonly requestId: number };

export async function requestsOf(db: Queryable, ids: readonly number[]): Promise<Map<number, RequestRow>> {
  return assembled(
    await db.all<ReadRequest>(requestsSql(db, ids), ids),
    await db.all<ReadStamp>(stampsSql(db, ids), ids),
  );
}

/** Reads requests together with the next statement. */
export async function deferRequests(tx: Transaction, ids: readonly number[]): Promise<() => Map<number, RequestRow>> {
  const requests = await tx.deferAll<ReadRequest>(requestsSql(tx, ids), ids);
  const stamps = await tx.deferAll<ReadStamp>(stampsSql(tx, ids), ids);
  return () => assembled(requests(), stamps());
}

// A buildset may have thousands of requests, so none begins with it.
function requestsSql({ dialect: { joinInOrder } }: Queryable, { length }: readonly number[]): string {
  return `SELECT r.id AS requestId, r.buildset_id AS buildsetId, r.attempts AS attempts, r.epoch AS epoch, s.properties AS properties,
       EXISTS (SELECT 1 FROM buildset_changes c WHERE c.buildset_id = r.buildset_id) AS hasChanges
     FROM build_requests r ${joinInOrder} buildsets s ON s.id = r.buildset_id WHERE r.id IN ${placeholders(length)}`;
}

function stampsSql({ dialect: { joinInOrder } }: Queryable, { length }: readonly number[]): string {
  return `SELECT r.id AS requestId, ${BUILT_STAMP.columns}
     FROM build_requests r ${joinInOrder} buildset_source_stamps b ON b.buildset_id = r.buildset_id
     ${joinInOrder} source_stamps s ON s.id = b.source_stamp_id ${BUILT_STAMP.join} WHERE r.id IN ${placeholders(length)}`;
}

function assembled(rows: readonly ReadRequest[], stamps: readonly ReadStamp[]): Map<number, RequestRow> {
  const byRequest = new Map<number, SourceStamp[]>(rows.map((row) => [row.requestId, []]));
  for (const row of byCodebase(stamps)) byRequest.get(row.requestId)!.push(builtStamp(row));
  return new Map(
    rows.map((row) => [
      row.requestId,
      {
        ...row,
        properties: JSON.parse(row.properties) as Properties,
        hasChanges: row.hasChanges === 1,
        sourceStamps: byRequest.get(row.requestId)!,
      },
    ]),
  );
}
