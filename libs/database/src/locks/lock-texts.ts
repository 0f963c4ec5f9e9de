import { type LockNeed, type LockObstacle, LockTable, WHOLE_BUILD } from '@millrace/domain';
import { allIn, type Queryable } from '../sql.js';
import { lockGraph } from './lock-rows.js';

/** Most builds that are named where a lock is waited for. */
const MOST_NAMED = 3;

/** Returns the names of locks. */
export async function lockNames(db: Queryable, ids: readonly number[]): Promise<Map<number, string>> {
  const names = new Map<number, string>();
  const rows = await allIn<{ id: number; name: string }>(
    db,
    [...new Set(ids)],
    (isOneOf) => `SELECT id, name FROM locks WHERE id IN ${isOneOf}`,
  );
  for (const { id, name } of rows) names.set(id, name);
  return names;
}

/** Returns what people call requests: the build that is made of one, such as `build 7 of 'linux'`, or the request. */
export async function partyNames(db: Queryable, requestIds: readonly number[]): Promise<Map<number, string>> {
  const ids = [...new Set(requestIds)];
  const names = new Map(ids.map((id) => [id, `request ${id}`]));
  const rows = await allIn<{ requestId: number; number: number; builder: string }>(
    db,
    ids,
    (isOneOf) => `SELECT c.request_id AS requestId, b.number AS number, r.name AS builder
       FROM claims c JOIN builds b ON b.id = c.build_id JOIN builders r ON r.id = c.builder_id
       WHERE c.request_id IN ${isOneOf}`,
  );
  for (const { requestId, number, builder } of rows) names.set(requestId, `build ${number} of '${builder}'`);
  return names;
}

/** Returns what somebody waits for, such as `waiting for the lock 'db', which build 7 of 'linux' has`. */
export async function waitingFor(db: Queryable, { need, why, requestIds }: LockObstacle): Promise<string> {
  const lock = `the lock '${need.lock}'`;
  if (why === 'never') return `waiting for ${lock}, which does not have ${need.count} units here`;
  const names = await partyNames(db, requestIds.slice(0, MOST_NAMED));
  const more = requestIds.length - names.size;
  const who = [...names.values(), ...(more > 0 ? [`${more} more`] : [])].join(', ');
  return `waiting for ${lock}, ${why === 'held' ? `which ${who} ${requestIds.length === 1 ? 'has' : 'have'}` : `after ${who}`}`;
}

/** Returns what the next requests of a builder wait for; null when it is not a lock. */
export async function builderWaitsFor(db: Queryable, builderId: number): Promise<string | null> {
  const rows = await db.all<Omit<LockNeed, 'resources' | 'property'> & { requestId: number }>(
    `SELECT w.request_id AS requestId, w.lock_id AS lockId, w.worker_id AS workerId, l.name AS \`lock\`, w.mode, w.amount AS \`count\`,
       w.capacity
     FROM lock_waits w JOIN queue q ON q.request_id = w.request_id JOIN locks l ON l.id = w.lock_id
     WHERE w.builder_id = ? AND w.build_id = 0 ORDER BY w.since_ms, w.request_id LIMIT 100`,
    [builderId],
  );
  if (rows.length === 0) return null;
  const { holds, waits } = await lockGraph(db);
  const table = new LockTable(holds, waits);
  const { requestId } = rows[0]!;
  const needs = rows
    .filter((row) => row.requestId === requestId)
    .map((row) => ({ ...row, resources: [], property: null }));
  const obstacle = table.obstacleOf({ requestId, step: WHOLE_BUILD }, needs);
  return obstacle && (await waitingFor(db, obstacle));
}
