import type { BuildRequestResource } from '@millrace/contracts';
import { Result, type Uuid, uuidFromBytes, uuidToBytes } from '@millrace/domain';
import { standingFor } from '../collapsing.js';
import { allIn, chunked, placeholders, type Queryable } from '../sql.js';
import { pickProperties } from './builds.js';
import { endSeconds, readHistory, seconds } from './history.js';
import type { HistoryTable } from './plan.js';
import { type Page, type ResourceQuery, shapeOf } from './query.js';

const QUEUE_COLUMNS = {
  buildrequestid: { sql: 'q.request_id' },
  builderid: { sql: 'q.builder_id' },
  // The rank is −priority: the lowest comes first.
  priority: { sql: 'q.queue_rank', as: 'negated' },
} as const;
const QUEUE = { from: { table: 'queue q' }, id: 'q.request_id', columns: QUEUE_COLUMNS };
const CLAIMS = { from: { table: 'claims c' }, id: 'c.request_id', columns: {} };
const PENDING = { fixed: { claimed: false }, implied: { complete: false }, keys: QUEUE, tieFields: ['submitted_at'] };

export const BUILD_REQUESTS: HistoryTable = {
  shape: shapeOf<BuildRequestResource>({
    plural: 'buildrequests',
    id: 'buildrequestid',
    fields: {
      attempts: 'int',
      builderid: 'int',
      buildrequestid: 'int',
      buildsetid: 'int',
      claimed: 'bool',
      claimed_at: 'time?',
      claimed_by_masterid: 'int?',
      collapsed_into_buildrequestid: 'json?',
      complete: 'bool',
      complete_at: 'time?',
      priority: 'int',
      properties: 'properties?',
      reason: 'string?',
      results: 'int',
      submitted_at: 'time',
      uuid: 'string',
      waited_for: 'bool',
    },
  }),
  from: { table: 'build_requests r' },
  id: 'r.id',
  leads: { by: 'builder', sql: 'r.builder_id' },
  columns: {
    buildrequestid: { sql: 'r.id' },
    builderid: { sql: 'r.builder_id' },
    buildsetid: { sql: 'r.buildset_id' },
    attempts: { sql: 'r.attempts' },
    claimed_by_masterid: { sql: 'r.claimed_by_master_id' },
    reason: { sql: 'r.reason' },
    results: { sql: 'COALESCE(r.results, -1)' },
    priority: { sql: 'r.priority' },
    submitted_at: { sql: 'r.submitted_at_ms', as: 'time' },
    complete_at: { sql: 'r.complete_at_ms', as: 'time' },
  },
  orderAliases: {},
  cheap: [],
  paths: [
    { given: ['buildrequestid'], order: null },
    { ...PENDING, given: ['builderid'], order: 'priority', index: 'queue_builder' },
    { ...PENDING, given: [], order: 'priority', index: 'queue_order' },
    { ...PENDING, given: [], order: 'buildrequestid' },
    {
      given: [],
      fixed: { claimed: true, complete: false },
      where: 'r.complete_at_ms IS NULL',
      keys: CLAIMS,
      order: null,
    },
    { given: ['buildsetid'], order: 'buildrequestid', index: 'build_requests_buildset' },
    { given: ['buildsetid'], order: null, index: 'build_requests_buildset' },
    { given: ['builderid'], order: 'buildrequestid', index: 'build_requests_builder' },
    {
      given: [],
      fixed: { complete: false },
      where: 'r.complete_at_ms IS NULL',
      order: 'buildrequestid',
      index: 'build_requests_complete',
    },
    {
      given: [],
      fixed: { complete: true },
      where: 'r.complete_at_ms IS NOT NULL',
      order: 'complete_at',
      index: 'build_requests_complete',
    },
    { given: [], order: 'buildrequestid' },
    { given: [], order: 'submitted_at', tieFields: ['priority'], index: 'build_requests_submitted' },
  ],
};

const COLUMNS = `r.id, r.uuid, r.buildset_id AS buildsetId, r.builder_id AS builderId, r.priority, r.waited_for AS waitedFor,
  r.submitted_at_ms AS submittedAtMs, r.claimed_at_ms AS claimedAtMs, r.claimed_by_master_id AS claimedByMasterId,
  r.complete_at_ms AS completeAtMs, r.results, r.attempts, r.reason`;

interface RequestRow {
  id: number;
  uuid: Buffer;
  buildsetId: number;
  builderId: number;
  priority: number;
  waitedFor: number;
  submittedAtMs: number;
  claimedAtMs: number | null;
  claimedByMasterId: number | null;
  completeAtMs: number | null;
  results: number | null;
  attempts: number;
  reason: string | null;
}

export class BuildRequestReads {
  constructor(private readonly db: Queryable) {}

  async list(query: ResourceQuery): Promise<Page<BuildRequestResource>> {
    const page = await readHistory<RequestRow, BuildRequestResource>(this.db, BUILD_REQUESTS, COLUMNS, query, toView);
    await this.fillCollapsed(page.rows);
    await this.fillProperties(page.rows, query.properties);
    return page;
  }

  async byIds(ids: readonly number[]): Promise<BuildRequestResource[]> {
    const rows = await allIn<RequestRow>(
      this.db,
      ids,
      (isOneOf) => `SELECT ${COLUMNS} FROM build_requests r WHERE r.id IN ${isOneOf}`,
    );
    const found = rows.map(toView);
    await this.fillCollapsed(found);
    return found;
  }

  async one(id: number, properties: readonly string[]): Promise<BuildRequestResource | null> {
    const found = await this.byIds([id]);
    await this.fillProperties(found, properties);
    return found[0] ?? null;
  }

  async idOf(uuid: Uuid): Promise<number | null> {
    const row = await this.db.get<{ id: number }>(`SELECT id FROM build_requests WHERE uuid = ?`, [uuidToBytes(uuid)]);
    return row?.id ?? null;
  }

  /** Returns the request that is built in place of a request: itself unless it was collapsed. */
  standingFor(id: number): Promise<number> {
    return standingFor(this.db, id);
  }

  /** Fills in which requests the skipped ones were collapsed into. Most pages have none. */
  private async fillCollapsed(rows: readonly BuildRequestResource[]): Promise<void> {
    const skipped = rows.filter(({ results }) => results === Result.SKIPPED);
    for (const some of chunked(skipped)) {
      const found = await this.db.all<{ requestId: number; intoRequestId: number }>(
        `SELECT request_id AS requestId, into_request_id AS intoRequestId FROM collapsed_requests
         WHERE request_id IN ${placeholders(some.length)}`,
        some.map(({ buildrequestid }) => buildrequestid),
      );
      const into = new Map(found.map(({ requestId, intoRequestId }) => [requestId, intoRequestId]));
      for (const row of some) row.collapsed_into_buildrequestid = into.get(row.buildrequestid) ?? null;
    }
  }

  /** Fills in the properties of a request, which are its buildset's, with one query for the page. */
  private async fillProperties(rows: readonly BuildRequestResource[], names: readonly string[]): Promise<void> {
    if (names.length === 0) return;
    const json = new Map<number, string>();
    const found = await allIn<{ id: number; properties: string }>(
      this.db,
      [...new Set(rows.map((row) => row.buildsetid))],
      (isOneOf) => `SELECT id, properties FROM buildsets WHERE id IN ${isOneOf}`,
    );
    for (const row of found) json.set(row.id, row.properties);
    for (const row of rows) row.properties = pickProperties(json.get(row.buildsetid) ?? '{}', names);
  }
}

function toView(row: RequestRow): BuildRequestResource {
  const complete = row.completeAtMs !== null;
  return {
    attempts: row.attempts,
    builderid: row.builderId,
    buildrequestid: row.id,
    buildsetid: row.buildsetId,
    claimed: complete || row.claimedAtMs !== null,
    claimed_at: endSeconds(row.submittedAtMs, row.claimedAtMs),
    claimed_by_masterid: row.claimedByMasterId,
    collapsed_into_buildrequestid: null,
    complete,
    complete_at: endSeconds(Math.max(row.submittedAtMs, row.claimedAtMs ?? 0), row.completeAtMs),
    priority: row.priority,
    properties: null,
    reason: row.reason,
    results: row.results ?? -1,
    submitted_at: seconds(row.submittedAtMs),
    uuid: uuidFromBytes(row.uuid),
    waited_for: row.waitedFor === 1,
  };
}
