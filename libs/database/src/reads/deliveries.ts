import type { DecisionResource, DeliveryResource } from '@millrace/contracts';
import { uuidFromBytes } from '@millrace/domain';
import { chunked, placeholders, type Queryable } from '../sql.js';
import { readHistory, seconds } from './history.js';
import type { HistoryTable } from './plan.js';
import { type Page, type ResourceQuery, shapeOf } from './query.js';

export const DELIVERIES: HistoryTable = {
  shape: shapeOf<DeliveryResource>({
    plural: 'deliveries',
    id: 'deliveryid',
    fields: {
      attempts: 'int',
      body_bytes: 'int',
      body_kept_until: 'time?',
      delivery_key: 'string',
      deliveryid: 'int',
      dialect: 'string',
      headers: 'json',
      hook: 'string',
      read_at: 'time?',
      read_by: 'string?',
      reason: 'string?',
      received_at: 'time',
      state: 'string',
    },
  }),
  from: { table: 'hook_deliveries d' },
  id: 'd.id',
  columns: {
    deliveryid: { sql: 'd.id' },
    hook: { sql: 'd.hook' },
    state: { sql: 'd.state' },
  },
  orderAliases: { received_at: 'deliveryid' },
  cheap: [],
  paths: [
    { given: ['deliveryid'], order: null },
    { given: ['hook', 'state'], order: 'deliveryid', index: 'hook_deliveries_state' },
    { given: [], order: 'deliveryid' },
  ],
};

export const DECISIONS = shapeOf<DecisionResource>({
  plural: 'decisions',
  id: 'schedulerid',
  fields: {
    buildrequests: 'json',
    bsid: 'int?',
    changeid: 'int',
    decided_at: 'time',
    decision: 'string',
    reason: 'string?',
    scheduler: 'string',
    schedulerid: 'int',
  },
});

const COLUMNS = `d.id, d.hook, d.dialect, d.delivery_key AS deliveryKey, d.headers, d.body_bytes AS bodyBytes,
  d.body_until_ms AS bodyUntilMs, d.received_at_ms AS receivedAtMs, d.state, d.reason, d.read_by AS readBy, d.read_at_ms AS readAtMs,
  d.attempts`;

interface DeliveryRow {
  id: number;
  hook: string;
  dialect: string;
  deliveryKey: string;
  headers: string;
  bodyBytes: number;
  bodyUntilMs: number | null;
  receivedAtMs: number;
  state: DeliveryResource['state'];
  reason: string | null;
  readBy: string | null;
  readAtMs: number | null;
  attempts: number;
}

/** Requests of one buildset that a decision names. */
const REQUESTS_NAMED = 100;

/** What came to hooks, and what became of it. */
export class DeliveryReads {
  constructor(private readonly db: Queryable) {}

  list(query: ResourceQuery): Promise<Page<DeliveryResource>> {
    return readHistory<DeliveryRow, DeliveryResource>(this.db, DELIVERIES, COLUMNS, query, toView);
  }

  async byIds(ids: readonly number[]): Promise<DeliveryResource[]> {
    const found: DeliveryResource[] = [];
    for (const some of chunked(ids)) {
      const rows = await this.db.all<DeliveryRow>(
        `SELECT ${COLUMNS} FROM hook_deliveries d WHERE d.id IN ${placeholders(some.length)}`,
        some,
      );
      for (const row of rows) found.push(toView(row));
    }
    return found;
  }

  /** Returns what each scheduler decided about a change, with the requests that it made. */
  async decisions(changeId: number): Promise<DecisionResource[]> {
    const rows = await this.db.all<{
      schedulerId: number;
      scheduler: string;
      decision: DecisionResource['decision'];
      reason: string | null;
      decidedAtMs: number;
      buildsetId: number | null;
    }>(
      `SELECT s.id AS schedulerId, s.name AS scheduler, sc.decision, sc.reason, sc.decided_at_ms AS decidedAtMs,
              sc.buildset_id AS buildsetId
       FROM schedulers s JOIN scheduler_changes sc ON sc.scheduler_id = s.id AND sc.change_id = ? ORDER BY s.name`,
      [changeId],
    );
    return Promise.all(
      rows.map(async ({ schedulerId, buildsetId, decidedAtMs, ...rest }) => ({
        ...rest,
        schedulerid: schedulerId,
        changeid: changeId,
        bsid: buildsetId,
        decided_at: seconds(decidedAtMs),
        buildrequests: buildsetId === null ? [] : await this.requestsOf(buildsetId),
      })),
    );
  }

  private async requestsOf(buildsetId: number): Promise<DecisionResource['buildrequests']> {
    const rows = await this.db.all<{ id: number; uuid: Buffer; builderId: number; results: number | null }>(
      `SELECT id, uuid, builder_id AS builderId, results FROM build_requests WHERE buildset_id = ? ORDER BY id LIMIT ${REQUESTS_NAMED}`,
      [buildsetId],
    );
    return rows.map(({ id, uuid, builderId, results }) => ({
      buildrequestid: id,
      uuid: uuidFromBytes(uuid),
      builderid: builderId,
      results,
    }));
  }
}

function toView(row: DeliveryRow): DeliveryResource {
  return {
    attempts: row.attempts,
    body_bytes: row.bodyBytes,
    body_kept_until: seconds(row.bodyUntilMs),
    delivery_key: row.deliveryKey,
    deliveryid: row.id,
    dialect: row.dialect,
    headers: JSON.parse(row.headers) as Record<string, string>,
    hook: row.hook,
    read_at: seconds(row.readAtMs),
    read_by: row.readBy,
    reason: row.reason,
    received_at: seconds(row.receivedAtMs),
    state: row.state,
  };
}
