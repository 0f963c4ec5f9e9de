import type { BuildsetResource, PatchResource, SourceStampResource } from '@millrace/contracts';
import { byCodebase, type Properties, type Uuid, uuidFromBytes, uuidToBytes } from '@millrace/domain';
import { allIn, chunked, placeholders, type Queryable } from '../sql.js';
import { endSeconds, readHistory, seconds } from './history.js';
import type { HistoryTable } from './plan.js';
import { type Page, type ResourceQuery, shapeOf } from './query.js';

export const SOURCE_STAMPS: HistoryTable = {
  shape: shapeOf<SourceStampResource>({
    plural: 'sourcestamps',
    id: 'ssid',
    fields: {
      branch: 'string?',
      codebase: 'string',
      created_at: 'time',
      patch: 'json?',
      project: 'string',
      repository: 'string',
      revision: 'string?',
      ssid: 'int',
    },
  }),
  from: { table: 'source_stamps t' },
  id: 't.id',
  leads: { by: 'project', sql: 't.project' },
  columns: { ssid: { sql: 't.id' } },
  orderAliases: {},
  cheap: [],
  paths: [
    { given: ['ssid'], order: null },
    { given: [], order: 'ssid' },
  ],
};

export const BUILDSETS: HistoryTable = {
  shape: shapeOf<BuildsetResource>({
    plural: 'buildsets',
    id: 'bsid',
    fields: {
      bsid: 'int',
      complete: 'bool',
      complete_at: 'time?',
      external_idstring: 'string?',
      parent_buildid: 'int?',
      parent_relationship: 'string?',
      reason: 'string',
      rebuilt_buildid: 'int?',
      results: 'int',
      scheduler: 'string',
      sourcestamps: 'json',
      submitted_at: 'time',
      uuid: 'string',
    },
  }),
  from: { table: 'buildsets s' },
  id: 's.id',
  leads: { by: 'buildset', sql: 's.id' },
  columns: {
    bsid: { sql: 's.id' },
    reason: { sql: 's.reason' },
    results: { sql: 'COALESCE(s.results, -1)' },
    external_idstring: { sql: 's.external_id' },
    rebuilt_buildid: { sql: 's.rebuilt_build_id' },
    parent_buildid: { sql: 's.parent_build_id' },
    submitted_at: { sql: 's.submitted_at_ms', as: 'time' },
    complete_at: { sql: 's.complete_at_ms', as: 'time' },
  },
  orderAliases: {},
  cheap: [],
  paths: [
    { given: ['bsid'], order: null },
    { given: ['rebuilt_buildid'], order: 'bsid', index: 'buildsets_rebuilt' },
    { given: ['parent_buildid'], order: 'bsid', index: 'buildsets_parent' },
    {
      given: [],
      fixed: { complete: false },
      where: 's.complete_at_ms IS NULL',
      order: 'bsid',
      index: 'buildsets_complete',
    },
    {
      given: [],
      fixed: { complete: true },
      where: 's.complete_at_ms IS NOT NULL',
      order: 'complete_at',
      index: 'buildsets_complete',
    },
    { given: [], order: 'bsid' },
    { given: [], order: 'submitted_at', index: 'buildsets_submitted' },
  ],
};

const COLUMNS = `s.id, s.uuid, s.scheduler_name AS scheduler, s.reason, s.external_id AS externalId, s.submitted_at_ms AS submittedAtMs,
  s.complete_at_ms AS completeAtMs, s.results, s.parent_build_id AS parentBuildId, s.parent_relationship AS parentRelationship,
  s.rebuilt_build_id AS rebuiltBuildId`;

interface BuildsetRow {
  id: number;
  uuid: Buffer;
  scheduler: string;
  reason: string;
  externalId: string | null;
  submittedAtMs: number;
  completeAtMs: number | null;
  results: number | null;
  parentBuildId: number | null;
  parentRelationship: string | null;
  rebuiltBuildId: number | null;
}

export const STAMP_COLUMNS = `t.id, t.branch, t.revision, t.repository, t.project, t.codebase, t.patch_id AS patchId,
  t.created_at_ms AS createdAtMs`;

export interface StampRow {
  id: number;
  branch: string | null;
  revision: string | null;
  repository: string;
  project: string;
  codebase: string;
  patchId: number | null;
  createdAtMs: number;
}

export class BuildsetReads {
  constructor(private readonly db: Queryable) {}

  async list(query: ResourceQuery): Promise<Page<BuildsetResource>> {
    const page = await readHistory<BuildsetRow, BuildsetResource>(this.db, BUILDSETS, COLUMNS, query, toView);
    await this.fillStamps(page.rows, { withBodies: false });
    return page;
  }

  async byIds(ids: readonly number[]): Promise<BuildsetResource[]> {
    const rows = await allIn<BuildsetRow>(
      this.db,
      ids,
      (isOneOf) => `SELECT ${COLUMNS} FROM buildsets s WHERE s.id IN ${isOneOf}`,
    );
    const found = rows.map(toView);
    await this.fillStamps(found, { withBodies: ids.length === 1 });
    return found;
  }

  async idOf(uuid: Uuid): Promise<number | null> {
    const row = await this.db.get<{ id: number }>(`SELECT id FROM buildsets WHERE uuid = ?`, [uuidToBytes(uuid)]);
    return row?.id ?? null;
  }

  async properties(id: number): Promise<Properties | null> {
    const row = await this.db.get<{ properties: string }>(`SELECT properties FROM buildsets WHERE id = ?`, [id]);
    return row ? (JSON.parse(row.properties) as Properties) : null;
  }

  async stamps(query: ResourceQuery): Promise<Page<SourceStampResource>> {
    const patched: Patched[] = [];
    const page = await readHistory<StampRow, SourceStampResource>(this.db, SOURCE_STAMPS, STAMP_COLUMNS, query, (row) =>
      noted(toStamp(row), row, patched),
    );
    await this.fillPatches(patched, { withBodies: false });
    return page;
  }

  async stamp(id: number): Promise<SourceStampResource | null> {
    const row = await this.db.get<StampRow>(`SELECT ${STAMP_COLUMNS} FROM source_stamps t WHERE t.id = ?`, [id]);
    if (!row) return null;
    const patched: Patched[] = [];
    const stamp = noted(toStamp(row), row, patched);
    await this.fillPatches(patched, { withBodies: true });
    return stamp;
  }

  private async fillStamps(buildsets: readonly BuildsetResource[], options: PatchOptions): Promise<void> {
    const patched: Patched[] = [];
    const byId = new Map(buildsets.map((buildset) => [buildset.bsid, buildset]));
    const rows = await allIn<StampRow & { buildsetId: number }>(
      this.db,
      [...byId.keys()],
      (isOneOf) => `SELECT b.buildset_id AS buildsetId, ${STAMP_COLUMNS} FROM buildset_source_stamps b
         LEFT JOIN source_stamps t ON t.id = b.source_stamp_id WHERE b.buildset_id IN ${isOneOf}`,
    );
    for (const row of byCodebase(rows)) byId.get(row.buildsetId)!.sourcestamps.push(noted(toStamp(row), row, patched));
    await this.fillPatches(patched, options);
  }

  /** Reads the patches of stamps that have one, which few do. */
  private async fillPatches(patched: readonly Patched[], { withBodies }: PatchOptions): Promise<void> {
    for (const ids of chunked([...new Set(patched.map(({ patchId }) => patchId))])) {
      const rows = await this.db.all<PatchResource>(
        `SELECT id AS patchid, ${withBodies ? 'body' : `'' AS body`}, level, author, comment, subdir FROM patches
         WHERE id IN ${placeholders(ids.length)}`,
        ids,
      );
      const byId = new Map(rows.map((row) => [row.patchid, row]));
      for (const { stamp, patchId } of patched) stamp.patch ??= byId.get(patchId) ?? null;
    }
  }
}

interface PatchOptions {
  /** Whether the text of patches is read. */
  readonly withBodies: boolean;
}

/** A source stamp whose patch has to be read. */
interface Patched {
  readonly stamp: SourceStampResource;
  readonly patchId: number;
}

/** Returns the stamp, and notes down that its patch has to be read. */
function noted(stamp: SourceStampResource, { patchId }: StampRow, patched: Patched[]): SourceStampResource {
  if (patchId !== null) patched.push({ stamp, patchId });
  return stamp;
}

function toView(row: BuildsetRow): BuildsetResource {
  return {
    bsid: row.id,
    complete: row.completeAtMs !== null,
    complete_at: endSeconds(row.submittedAtMs, row.completeAtMs),
    external_idstring: row.externalId,
    parent_buildid: row.parentBuildId,
    parent_relationship: row.parentRelationship,
    reason: row.reason,
    rebuilt_buildid: row.rebuiltBuildId,
    results: row.results ?? -1,
    scheduler: row.scheduler,
    sourcestamps: [],
    submitted_at: seconds(row.submittedAtMs),
    uuid: uuidFromBytes(row.uuid),
  };
}

export function toStamp(row: StampRow): SourceStampResource {
  return {
    branch: row.branch,
    codebase: row.codebase,
    created_at: seconds(row.createdAtMs),
    patch: null,
    project: row.project,
    repository: row.repository,
    revision: row.revision,
    ssid: row.id,
  };
}
