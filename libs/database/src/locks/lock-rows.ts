import { type LockHold, type LockNeed, type LockParty, LockTable, type LockWait, WHOLE_BUILD } from '@millrace/domain';
import { chunked, placeholders, type Queryable, type Transaction } from '../sql.js';

/** Time for which a wait counts after somebody has asked for the lock. Engines ask more often as long as they can use it. */
const WAIT_COUNTS_MS = 30_000;

/** Somebody who takes locks or waits for them. `buildId` is 0 for a builder's next request. */
export interface LockOwner extends LockParty {
  readonly buildId: number;
  readonly builderId: number;
}

const HOLDS = `SELECT c.request_id AS requestId, h.step_number AS step, h.lock_id AS lockId, h.worker_id AS workerId, h.mode,
    h.amount AS \`count\`, h.resources
  FROM lock_holds h JOIN claims c ON c.build_id = h.build_id`;

interface HoldRow extends Omit<LockHold, 'resources'> {
  readonly resources: string;
}

function toHold({ resources, ...row }: HoldRow): LockHold {
  return { ...row, resources: JSON.parse(resources) as string[] };
}

interface WaitRow extends LockWait {
  readonly builderId: number;
  readonly buildId: number;
}

/** Returns SQL for the waits that count. A wait in the future is one from before the clock was set. */
function waitsSql({ dialect: { nowMs } }: Queryable): string {
  return `SELECT w.request_id AS requestId, w.builder_id AS builderId, w.build_id AS buildId, w.step_number AS step,
      w.lock_id AS lockId, w.worker_id AS workerId, w.mode, w.amount AS \`count\`, w.capacity, w.since_ms AS sinceMs
    FROM lock_waits w LEFT JOIN queue q ON q.request_id = w.request_id LEFT JOIN claims c ON c.build_id = w.build_id
    WHERE w.seen_at_ms > ${nowMs} - ${WAIT_COUNTS_MS} AND w.seen_at_ms <= ${nowMs}
      AND (c.build_id IS NOT NULL OR (w.build_id = 0 AND q.request_id IS NOT NULL))`;
}

/**
 * Reads who has these locks and who waits for them, together with the next statement. The rows of the locks stay locked, in the order of
 * their ids, so that two engines do not give away the same units (I11). Whoever leaves a lock needs none of these rows.
 * @param asking the requests that ask for their builders, by builder
 */
export async function deferLockedTable(
  tx: Transaction,
  needs: readonly LockNeed[],
  asking: ReadonlyMap<number, number> = new Map(),
): Promise<() => LockTable> {
  const ids = [...new Set(needs.map(({ lockId }) => lockId))].sort((a, b) => a - b);
  for (const some of chunked(ids))
    await tx.deferAll(
      `SELECT id FROM locks WHERE id IN ${placeholders(some.length)} ORDER BY id${tx.dialect.forUpdate}`,
      some,
    );
  const holds: (() => HoldRow[])[] = [];
  const waits: (() => WaitRow[])[] = [];
  for (const some of chunked(ids)) {
    const isOneOf = placeholders(some.length);
    holds.push(await tx.deferAll<HoldRow>(`${HOLDS} WHERE h.lock_id IN ${isOneOf}`, some));
    waits.push(await tx.deferAll<WaitRow>(`${waitsSql(tx)} AND w.lock_id IN ${isOneOf}`, some));
  }
  return () =>
    new LockTable(
      holds.flatMap((rows) => rows().map(toHold)),
      waits.flatMap((rows) =>
        rows().map((row) => {
          const asks = row.buildId === 0 ? asking.get(row.builderId) : undefined;
          return asks === undefined ? row : { ...row, requestId: asks };
        }),
      ),
    );
}

/** Returns everything that is held and waited for now. */
export async function lockGraph(db: Queryable): Promise<{ holds: LockHold[]; waits: LockWait[] }> {
  return { holds: (await db.all<HoldRow>(HOLDS)).map(toHold), waits: await db.all<WaitRow>(waitsSql(db)) };
}

/** Returns what a build and its steps hold. */
export async function holdsOf(tx: Transaction, buildId: number): Promise<LockHold[]> {
  return (await tx.all<HoldRow>(`${HOLDS} WHERE h.build_id = ?`, [buildId])).map(toHold);
}

/** Records locks that were taken. */
export async function insertHolds(
  tx: Transaction,
  holds: readonly (LockHold & { readonly buildId: number })[],
): Promise<void> {
  for (const some of chunked(holds)) {
    const row = `(?, ?, ?, ?, ?, ?, ?, ${tx.dialect.nowMs})`;
    await tx.defer(
      `INSERT INTO lock_holds (build_id, step_number, lock_id, worker_id, mode, amount, resources, taken_at_ms)
       VALUES ${some.map(() => row).join(', ')}`,
      some.flatMap((hold) => [
        hold.buildId,
        hold.step,
        hold.lockId,
        hold.workerId,
        hold.mode,
        hold.count,
        JSON.stringify(hold.resources),
      ]),
    );
  }
}

/** Records that somebody waits, or still waits, for these locks. Positions stay what they are. */
export async function upsertWaits(
  tx: Transaction,
  waits: readonly { readonly owner: LockOwner; readonly need: LockNeed }[],
): Promise<void> {
  const { nowMs, insertIgnore } = tx.dialect;
  for (const some of chunked(waits)) {
    const row = `(?, ?, ?, ?, ?, ?, ?, ?, ?, ${nowMs}, ${nowMs})`;
    await tx.defer(
      `${insertIgnore} INTO lock_waits (builder_id, build_id, step_number, lock_id, worker_id, request_id, mode, amount, capacity,
         since_ms, seen_at_ms) VALUES ${some.map(() => row).join(', ')}`,
      some.flatMap(({ owner, need }) => [
        owner.builderId,
        owner.buildId,
        owner.step,
        need.lockId,
        need.workerId,
        owner.requestId,
        need.mode,
        need.count,
        need.capacity,
      ]),
    );
  }
  const owners = new Map(waits.map(({ owner }) => [`${owner.builderId}/${owner.buildId}/${owner.step}`, owner]));
  for (const { requestId, builderId, buildId, step } of owners.values())
    await tx.defer(
      `UPDATE lock_waits SET request_id = ?, seen_at_ms = ${nowMs} WHERE builder_id = ? AND build_id = ? AND step_number = ?`,
      [requestId, builderId, buildId, step],
    );
}

/** Forgets what a build or a step waits for. */
export async function forgetWaits(tx: Transaction, { builderId, buildId, step }: LockOwner): Promise<void> {
  await tx.defer(`DELETE FROM lock_waits WHERE builder_id = ? AND build_id = ? AND step_number = ?`, [
    builderId,
    buildId,
    step,
  ]);
}

/** Forgets what somebody has waited for, and does not need any more. Nobody is to wait behind him there. */
export async function forgetOtherWaits(
  tx: Transaction,
  { builderId, buildId, step }: LockOwner,
  needs: readonly LockNeed[],
): Promise<void> {
  await tx.defer(
    `DELETE FROM lock_waits WHERE builder_id = ? AND build_id = ? AND step_number = ?
       AND lock_id NOT IN ${placeholders(needs.length)}`,
    [builderId, buildId, step, ...needs.map(({ lockId }) => lockId)],
  );
}

/** Forgets what the next requests of builders wait for. */
export async function forgetWaitsOfBuilders(tx: Transaction, builderIds: readonly number[]): Promise<void> {
  for (const some of chunked(builderIds))
    await tx.defer(
      `DELETE FROM lock_waits WHERE builder_id IN ${placeholders(some.length)} AND build_id = 0 AND step_number = ?`,
      [...some, WHOLE_BUILD],
    );
}
