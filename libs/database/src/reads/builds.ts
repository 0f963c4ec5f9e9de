import type { AdoptionResource, BuildResource } from '@millrace/contracts';
import { type Properties, uuidFromBytes } from '@millrace/domain';
import { FOLLOWED } from '../collapsing.js';
import { allIn, type Queryable } from '../sql.js';
import { endSeconds, readHistory, seconds } from './history.js';
import type { HistoryTable } from './plan.js';
import { type Page, type ResourceQuery, shapeOf } from './query.js';

export const ADOPTION_SHAPE = shapeOf<AdoptionResource>({
  plural: 'adoptions',
  id: 'adoptionid',
  fields: { adoptionid: 'int', adopted_at: 'time', buildid: 'int', from_masterid: 'int', to_masterid: 'int' },
});

export const BUILDS: HistoryTable = {
  shape: shapeOf<BuildResource>({
    plural: 'builds',
    id: 'buildid',
    fields: {
      attempt: 'int',
      builderid: 'int',
      buildid: 'int',
      buildrequestid: 'int',
      complete: 'bool',
      complete_at: 'time?',
      locks_duration_s: 'int',
      masterid: 'int',
      number: 'int',
      properties: 'properties',
      results: 'int?',
      started_at: 'time',
      state_string: 'string',
      uuid: 'string',
      workerid: 'int',
    },
  }),
  from: { table: 'builds b' },
  id: 'b.id',
  leads: { by: 'builder', sql: 'b.builder_id' },
  columns: {
    buildid: { sql: 'b.id' },
    builderid: { sql: 'b.builder_id' },
    buildrequestid: { sql: 'b.request_id' },
    attempt: { sql: 'b.attempt' },
    masterid: { sql: 'b.master_id' },
    state_string: { sql: 'b.state_string' },
    number: { sql: 'b.number' },
    results: { sql: 'b.results' },
    workerid: { sql: 'b.worker_id' },
    started_at: { sql: 'b.started_at_ms', as: 'time' },
    complete_at: { sql: 'b.complete_at_ms', as: 'time' },
  },
  // A build's row is inserted when it starts, so ids and start times have the same order.
  orderAliases: { started_at: 'buildid' },
  cheap: [{ field: 'complete', is: true, sql: 'b.complete_at_ms IS NOT NULL' }],
  paths: [
    { given: ['buildid'], order: null },
    { given: ['buildrequestid'], order: null, index: 'builds_request' },
    { given: ['builderid', 'number'], order: null, index: 'builds_number' },
    {
      given: [],
      fixed: { complete: false },
      where: 'b.complete_at_ms IS NULL',
      order: 'buildid',
      index: 'builds_complete',
    },
    { given: [], fixed: { complete: false }, where: 'b.complete_at_ms IS NULL', order: null, index: 'builds_complete' },
    { given: ['builderid', 'results'], order: 'buildid', index: 'builds_builder_results' },
    { given: ['builderid'], order: 'buildid', index: 'builds_builder' },
    { given: ['builderid'], order: 'number', unique: true, index: 'builds_number' },
    { given: ['workerid'], order: 'buildid', index: 'builds_worker' },
    { given: ['results'], order: 'buildid', index: 'builds_results' },
    {
      given: [],
      fixed: { complete: true },
      where: 'b.complete_at_ms IS NOT NULL',
      order: 'complete_at',
      index: 'builds_complete',
    },
    { given: [], order: 'buildid' },
    { given: [], order: 'started_at', index: 'builds_started' },
    { given: [], order: 'buildrequestid', index: 'builds_request' },
  ],
};

const COLUMNS = `b.id, b.uuid, b.number, b.builder_id AS builderId, b.request_id AS requestId, b.attempt, b.worker_id AS workerId,
  b.master_id AS masterId, b.started_at_ms AS startedAtMs, b.complete_at_ms AS completeAtMs, b.results, b.state_string AS stateString,
  b.locks_ms AS locksMs`;

interface BuildRow {
  id: number;
  uuid: Buffer;
  number: number;
  builderId: number;
  requestId: number;
  attempt: number;
  workerId: number;
  masterId: number;
  startedAtMs: number;
  completeAtMs: number | null;
  results: number | null;
  stateString: string;
  locksMs: number;
  properties?: string;
}

export class BuildReads {
  constructor(private readonly db: Queryable) {}

  list(query: ResourceQuery): Promise<Page<BuildResource>> {
    const wanted = query.properties;
    const select = wanted.length > 0 ? `${COLUMNS}, b.properties` : COLUMNS;
    return readHistory<BuildRow, BuildResource>(this.db, BUILDS, select, query, (row) => toView(row, wanted));
  }

  /** Returns complete rows with all their properties, in any order. Unknown ids are left out. */
  async byIds(ids: readonly number[]): Promise<BuildResource[]> {
    const rows = await allIn<BuildRow>(
      this.db,
      ids,
      (isOneOf) => `SELECT ${COLUMNS}, b.properties FROM builds b WHERE b.id IN ${isOneOf}`,
    );
    return rows.map((row) => toView(row, ['*']));
  }

  async one(id: number, properties: readonly string[]): Promise<BuildResource | null> {
    const row = await this.db.get<BuildRow>(`SELECT ${COLUMNS}, b.properties FROM builds b WHERE b.id = ?`, [id]);
    return row ? toView(row, properties) : null;
  }

  async idOf(builderId: number, number: number): Promise<number | null> {
    const row = await this.db.get<{ id: number }>(`SELECT id FROM builds WHERE builder_id = ? AND number = ?`, [
      builderId,
      number,
    ]);
    return row?.id ?? null;
  }

  async properties(id: number): Promise<Properties | null> {
    const row = await this.db.get<{ properties: string }>(`SELECT properties FROM builds WHERE id = ?`, [id]);
    return row ? (JSON.parse(row.properties) as Properties) : null;
  }

  /** Returns the adoptions of a build (I9), first to last. */
  async adoptions(id: number): Promise<AdoptionResource[]> {
    const rows = await this.db.all<{ epoch: number; fromId: number; toId: number; atMs: number }>(
      `SELECT epoch, from_master_id AS fromId, to_master_id AS toId, adopted_at_ms AS atMs
       FROM adoptions WHERE build_id = ? ORDER BY epoch`,
      [id],
    );
    return rows.map(({ epoch, fromId, toId, atMs }) => ({
      adoptionid: epoch,
      adopted_at: seconds(atMs),
      buildid: id,
      from_masterid: fromId,
      to_masterid: toId,
    }));
  }

  /** Returns the newest builds of the change's buildsets, and of the requests that these were collapsed into. */
  async ofChange(changeId: number, limit: number): Promise<number[]> {
    // LEFT keeps the change first: an optimizer that begins with the newest builds reads all of history for an old change.
    const rows = await this.db.all<{ id: number | null }>(
      `WITH RECURSIVE wanted (request_id, depth) AS (
         SELECT r.id, 0 FROM buildset_changes c JOIN build_requests r ON r.buildset_id = c.buildset_id WHERE c.change_id = ?
         UNION ALL
         SELECT n.into_request_id, w.depth + 1 FROM wanted w JOIN collapsed_requests n ON n.request_id = w.request_id
         WHERE w.depth < ${FOLLOWED})
       SELECT DISTINCT b.id FROM wanted w LEFT JOIN builds b ON b.request_id = w.request_id ORDER BY b.id DESC LIMIT ?`,
      [changeId, limit],
    );
    return rows.flatMap((row) => (row.id === null ? [] : [row.id]));
  }

  /** Returns the newest builds of the buildsets that a build has triggered. */
  async triggeredBy(buildId: number, limit: number): Promise<number[]> {
    // LEFT keeps the build's buildsets first, as above.
    const rows = await this.db.all<{ id: number | null }>(
      `SELECT b.id FROM buildsets s LEFT JOIN build_requests r ON r.buildset_id = s.id LEFT JOIN builds b ON b.request_id = r.id
       WHERE s.parent_build_id = ? ORDER BY b.id DESC LIMIT ?`,
      [buildId, limit],
    );
    return rows.flatMap((row) => (row.id === null ? [] : [row.id]));
  }

  /** Returns the names for a page title of the build's log. */
  async labels(buildId: number): Promise<{ builderName: string; number: number; workerName: string } | null> {
    const row = await this.db.get<{ builderName: string; number: number; workerName: string | null }>(
      `SELECT r.name AS builderName, b.number, w.name AS workerName FROM builds b JOIN builders r ON r.id = b.builder_id
       LEFT JOIN workers w ON w.id = b.worker_id WHERE b.id = ?`,
      [buildId],
    );
    return row ? { ...row, workerName: row.workerName ?? '' } : null;
  }
}

/** Returns the named properties that exist; `*` means all. */
export function pickProperties(json: string, names: readonly string[]): Properties {
  const all = JSON.parse(json) as Properties;
  if (names.includes('*')) return all;
  return Object.fromEntries(names.flatMap((name) => (Object.hasOwn(all, name) ? [[name, all[name]!]] : [])));
}

function toView(row: BuildRow, properties: readonly string[]): BuildResource {
  return {
    attempt: row.attempt,
    builderid: row.builderId,
    buildid: row.id,
    buildrequestid: row.requestId,
    complete: row.completeAtMs !== null,
    complete_at: endSeconds(row.startedAtMs, row.completeAtMs),
    locks_duration_s: seconds(row.locksMs),
    masterid: row.masterId,
    number: row.number,
    properties: properties.length > 0 && row.properties !== undefined ? pickProperties(row.properties, properties) : {},
    results: row.results,
    started_at: seconds(row.startedAtMs),
    state_string: row.stateString,
    uuid: uuidFromBytes(row.uuid),
    workerid: row.workerId,
  };
}
