import type { DecisionResource, DeliveryResource } from '@millrace/contracts';
import { uuidFromBytes } from '@millrace/domain';
import { allIn, type Queryable } from '../sql.js';
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
      delivered_by: 'string?',
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
  leads: { by: 'hook', sql: 'd.hook' },
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
    decided_at: 'time?',
    decision: 'string',
    reason: 'string?',
    scheduler: 'string',
    schedulerid: 'int',
  },
});

const COLUMNS = `d.id, d.hook, d.dialect, d.delivery_key AS deliveryKey, d.headers, d.body_bytes AS bodyBytes,
  d.body_until_ms AS bodyUntilMs, d.received_at_ms AS receivedAtMs, d.state, d.reason, d.read_by AS readBy, d.read_at_ms AS readAtMs,
  d.attempts, d.delivered_by AS deliveredBy`;

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
  deliveredBy: string | null;
}

/** A condition: the scheduler `s` is disabled, or was when the change `c` came, which is still in its backlog. */
const NOT_ASKED = `c.seq > COALESCE(s.backlog_seq, s.cursor_seq) AND (s.enabled = 0 OR c.seq <= s.cursor_seq)`;

function notAsked(isEnabled: boolean): string {
  return isEnabled
    ? 'disabled or not configured when the change came: it is in the backlog of the scheduler'
    : 'disabled: the scheduler was not asked';
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
    const rows = await allIn<DeliveryRow>(
      this.db,
      ids,
      (isOneOf) => `SELECT ${COLUMNS} FROM hook_deliveries d WHERE d.id IN ${isOneOf}`,
    );
    return rows.map(toView);
  }

  /**
   * Returns what each scheduler decided about a change, with the requests that it made. Schedulers that were not asked, because they are
   * disabled or were, are among them.
   */
  async decisions(changeId: number): Promise<DecisionResource[]> {
    const rows = await this.db.all<{
      schedulerId: number;
      scheduler: string;
      enabled: number;
      decision: DecisionResource['decision'] | null;
      reason: string | null;
      decidedAtMs: number | null;
      buildsetId: number | null;
    }>(
      `SELECT s.id AS schedulerId, s.name AS scheduler, s.enabled, sc.decision, sc.reason, sc.decided_at_ms AS decidedAtMs,
              sc.buildset_id AS buildsetId
       FROM changes c CROSS JOIN schedulers s LEFT JOIN scheduler_changes sc ON sc.scheduler_id = s.id AND sc.change_id = c.id
       WHERE c.id = ? AND (sc.change_id IS NOT NULL OR (${NOT_ASKED} AND EXISTS
         (SELECT 1 FROM scheduler_masters m WHERE m.scheduler_id = s.id))) ORDER BY s.name`,
      [changeId],
    );
    return Promise.all(
      rows.map(async ({ schedulerId, scheduler, enabled, decision, reason, buildsetId, decidedAtMs }) => ({
        scheduler,
        schedulerid: schedulerId,
        changeid: changeId,
        bsid: buildsetId,
        decision: decision ?? 'ignored',
        reason: decision === null ? notAsked(enabled === 1) : reason,
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
    delivered_by: row.deliveredBy,
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
