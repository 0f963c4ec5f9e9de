import type { ChangeResource } from '@millrace/contracts';
import type { Properties } from '@millrace/domain';
import { changesBehind } from '../collapsing.js';
import { allIn, type Queryable } from '../sql.js';
import { STAMP_COLUMNS, type StampRow, toStamp } from './buildset-reads.js';
import { readHistory, seconds } from './history.js';
import type { HistoryTable } from './plan.js';
import { type Page, type ResourceQuery, shapeOf } from './query.js';

const STAMP_JOIN = 'LEFT JOIN source_stamps t ON t.id = c.source_stamp_id';

export const CHANGES: HistoryTable = {
  shape: shapeOf<ChangeResource>({
    plural: 'changes',
    id: 'changeid',
    fields: {
      author: 'string',
      branch: 'string?',
      category: 'string?',
      changeid: 'int',
      codebase: 'string',
      comments: 'string',
      committer: 'string?',
      deliveryid: 'int?',
      files: 'strings',
      parent_changeids: 'ints',
      project: 'string',
      properties: 'properties',
      received_at: 'time',
      repository: 'string',
      revision: 'string?',
      revlink: 'string',
      sourcestamp: 'json',
      when_timestamp: 'time',
    },
  }),
  // Every change has its source stamp. LEFT keeps the optimizer from beginning with the stamps.
  from: { table: 'changes c', joins: STAMP_JOIN },
  id: 'c.id',
  leads: { by: 'project', sql: 'c.project' },
  columns: {
    changeid: { sql: 'c.id' },
    branch: { sql: 'c.branch' },
    project: { sql: 'c.project' },
    revision: { sql: 'c.revision' },
    author: { sql: 'c.author' },
    comments: { sql: 'c.comments' },
    committer: { sql: 'c.committer' },
    category: { sql: 'c.category' },
    codebase: { sql: 'c.codebase' },
    repository: { sql: 'c.repository' },
  },
  orderAliases: { received_at: 'changeid' },
  cheap: [],
  paths: [
    { given: ['changeid'], order: null },
    { given: ['revision'], order: null, index: 'changes_revision' },
    { given: ['project'], order: 'changeid', index: 'changes_project' },
    { given: ['branch'], order: 'changeid', index: 'changes_branch' },
    { given: [], order: 'changeid' },
  ],
};

const COLUMNS = `c.id AS changeId, c.author, c.committer, c.comments, c.branch AS changeBranch, c.revision AS changeRevision, c.revlink,
  c.category, c.repository AS changeRepository, c.project AS changeProject, c.codebase AS changeCodebase, c.when_ms AS whenMs,
  c.received_at_ms AS receivedAtMs, c.files, c.properties, c.delivery_id AS deliveryId, ${STAMP_COLUMNS}`;

interface ChangeRow extends StampRow {
  changeId: number;
  author: string;
  committer: string | null;
  comments: string;
  changeBranch: string | null;
  changeRevision: string | null;
  revlink: string;
  category: string | null;
  changeRepository: string;
  changeProject: string;
  changeCodebase: string;
  whenMs: number;
  receivedAtMs: number;
  files: string;
  properties: string;
  deliveryId: number | null;
}

export class ChangeReads {
  constructor(private readonly db: Queryable) {}

  list(query: ResourceQuery): Promise<Page<ChangeResource>> {
    return readHistory<ChangeRow, ChangeResource>(this.db, CHANGES, COLUMNS, query, toView);
  }

  async byIds(ids: readonly number[]): Promise<ChangeResource[]> {
    const rows = await allIn<ChangeRow>(
      this.db,
      ids,
      (isOneOf) => `SELECT ${COLUMNS} FROM changes c ${STAMP_JOIN} WHERE c.id IN ${isOneOf}`,
    );
    return rows.map(toView);
  }

  /**
   * Returns the changes that the build's request was made for, those of the requests that were collapsed into it among them, newest first;
   * null when there is no such build.
   */
  async ofBuild(buildId: number, limit: number): Promise<ChangeResource[] | null> {
    const build = await this.db.get<{ requestId: number }>(`SELECT request_id AS requestId FROM builds WHERE id = ?`, [
      buildId,
    ]);
    return build ? this.newestFirst(await changesBehind(this.db, build.requestId, limit)) : null;
  }

  /** Returns the changes that came with a delivery, newest first. */
  async ofDelivery(deliveryId: number, limit: number): Promise<ChangeResource[]> {
    const ids = await this.db.all<{ id: number }>(
      `SELECT id FROM changes WHERE delivery_id = ? ORDER BY id DESC LIMIT ?`,
      [deliveryId, limit],
    );
    return this.newestFirst(ids.map((row) => row.id));
  }

  async ofSourceStamp(sourceStampId: number, limit: number): Promise<ChangeResource[]> {
    const ids = await this.db.all<{ id: number }>(
      `SELECT id FROM changes WHERE source_stamp_id = ? ORDER BY id DESC LIMIT ?`,
      [sourceStampId, limit],
    );
    return this.newestFirst(ids.map((row) => row.id));
  }

  private async newestFirst(ids: readonly number[]): Promise<ChangeResource[]> {
    return (await this.byIds(ids)).sort((a, b) => b.changeid - a.changeid);
  }
}

function toView(row: ChangeRow): ChangeResource {
  return {
    author: row.author,
    branch: row.changeBranch,
    category: row.category,
    changeid: row.changeId,
    codebase: row.changeCodebase,
    comments: row.comments,
    committer: row.committer,
    deliveryid: row.deliveryId,
    files: JSON.parse(row.files) as string[],
    parent_changeids: [],
    project: row.changeProject,
    properties: JSON.parse(row.properties) as Properties,
    received_at: seconds(row.receivedAtMs),
    repository: row.changeRepository,
    revision: row.changeRevision,
    revlink: row.revlink,
    sourcestamp: toStamp(row),
    when_timestamp: seconds(row.whenMs),
  };
}
