import type { LockPartyResource, LockResource } from '@millrace/contracts';
import { type LockDefinition, WHOLE_BUILD } from '@millrace/domain';
import { isPrepared } from '../claims/preparation.js';
import type { Queryable } from '../sql.js';
import { seconds } from './history.js';
import { shapeOf } from './query.js';

export const LOCK_SHAPE = shapeOf<LockResource>({
  plural: 'locks',
  id: 'lockid',
  fields: {
    holders: 'json',
    kind: 'identifier',
    lockid: 'int',
    max_count: 'int',
    max_count_for_worker: 'json',
    name: 'string',
    resources: 'strings',
    waiters: 'json',
  },
});

interface UseRow {
  readonly lockId: number;
  readonly workerId: number;
  readonly requestId: number;
  readonly buildId: number;
  readonly builderId: number;
  readonly builderName: string;
  readonly buildNumber: number | null;
  readonly step: number;
  readonly isPrepared: number;
  readonly mode: string;
  readonly count: number;
  /** When it was taken, or asked for first. */
  readonly atMs: number;
}

/** Reads of locks. Their rows do not grow with history. */
export class LockReads {
  constructor(private readonly db: Queryable) {}

  async all(): Promise<LockResource[]> {
    const locks = await this.db.all<{ id: number; name: string; kind: string; definition: string }>(
      `SELECT id, name, kind, definition FROM locks ORDER BY name`,
    );
    const holds = await this.db.all<UseRow & { resources: string }>(
      `SELECT h.lock_id AS lockId, h.worker_id AS workerId, c.request_id AS requestId, h.build_id AS buildId,
         c.builder_id AS builderId, r.name AS builderName, b.number AS buildNumber, h.step_number AS step, ${isPrepared('h.build_id')} AS isPrepared, h.mode, h.amount AS \`count\`, h.taken_at_ms AS atMs, h.resources
       FROM lock_holds h JOIN claims c ON c.build_id = h.build_id JOIN builds b ON b.id = c.build_id
         JOIN builders r ON r.id = c.builder_id
       ORDER BY h.taken_at_ms, h.build_id`,
    );
    const waits = await this.db.all<UseRow>(
      `SELECT w.lock_id AS lockId, w.worker_id AS workerId, w.request_id AS requestId, w.build_id AS buildId,
         w.builder_id AS builderId, r.name AS builderName, b.number AS buildNumber, w.step_number AS step, ${isPrepared('w.build_id')} AS isPrepared, w.mode, w.amount AS \`count\`, w.since_ms AS atMs
       FROM lock_waits w LEFT JOIN queue q ON q.request_id = w.request_id LEFT JOIN claims c ON c.build_id = w.build_id
         LEFT JOIN builds b ON b.id = c.build_id JOIN builders r ON r.id = w.builder_id
       WHERE c.build_id IS NOT NULL OR (w.build_id = 0 AND q.request_id IS NOT NULL)
       ORDER BY w.since_ms, w.request_id`,
    );
    const holdsOf = byLock(holds);
    const waitsOf = byLock(waits);
    return locks.map(({ id, name, kind, definition }) => {
      const { maxCount, maxCountForWorker, resources } = JSON.parse(definition) as LockDefinition;
      return {
        holders: (holdsOf.get(id) ?? []).map((row) => ({
          ...partyOf(row),
          resources: JSON.parse(row.resources) as string[],
          taken_at: seconds(row.atMs),
        })),
        kind,
        lockid: id,
        max_count: maxCount,
        max_count_for_worker: maxCountForWorker,
        name,
        resources: [...resources],
        waiters: (waitsOf.get(id) ?? []).map((row) => ({ ...partyOf(row), since: seconds(row.atMs) })),
      };
    });
  }
}

function byLock<T extends UseRow>(rows: readonly T[]): Map<number, T[]> {
  const groups = new Map<number, T[]>();
  for (const row of rows) groups.set(row.lockId, [...(groups.get(row.lockId) ?? []), row]);
  return groups;
}

function partyOf({ requestId, count, mode, step, isPrepared, workerId, ...row }: UseRow): LockPartyResource {
  return {
    build_number: row.buildNumber,
    builder_name: row.builderName,
    builderid: row.builderId,
    buildid: row.buildId === 0 ? null : row.buildId,
    buildrequestid: requestId,
    count,
    mode,
    step_number: step === WHOLE_BUILD ? null : step + isPrepared,
    workerid: workerId === 0 ? null : workerId,
  };
}
