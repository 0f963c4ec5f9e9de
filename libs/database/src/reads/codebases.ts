import type { BranchResource, CodebaseResource, CommitGraphResource, CommitResource } from '@millrace/contracts';
import { allIn, chunked, placeholders, type Queryable } from '../sql.js';
import { readHistory, seconds } from './history.js';
import type { HistoryTable } from './plan.js';
import { type Page, type ResourceQuery, shapeOf } from './query.js';

/** Most commits that are looked at from each of two for the one from which both come. Servers end a recursion there. */
const LINE_COMMITS = 1000;

export const CODEBASE_SHAPE = shapeOf<CodebaseResource>({
  plural: 'codebases',
  id: 'codebaseid',
  fields: { codebaseid: 'int', name: 'identifier', projectid: 'int', slug: 'identifier' },
});

export const COMMIT_GRAPH_SHAPE = shapeOf<CommitGraphResource>({
  plural: 'commit_graphs',
  id: 'common',
  fields: { common: 'int', to1: 'ints', to2: 'ints' },
});

// LEFT keeps the optimizer from beginning with the projects.
const PROJECT_JOINS = (alias: string): string =>
  `LEFT JOIN codebases k ON k.id = ${alias}.codebase_id LEFT JOIN projects p ON p.id = k.project_id`;

export const BRANCHES: HistoryTable = {
  shape: shapeOf<BranchResource>({
    plural: 'branches',
    id: 'branchid',
    fields: { branchid: 'int', codebaseid: 'int', commitid: 'int', last_timestamp: 'time', name: 'string' },
  }),
  from: { table: 'codebase_branches b', joins: PROJECT_JOINS('b') },
  leads: { by: 'project', sql: 'p.name' },
  id: 'b.id',
  columns: { branchid: { sql: 'b.id' }, codebaseid: { sql: 'b.codebase_id' }, name: { sql: 'b.name' } },
  orderAliases: {},
  cheap: [],
  paths: [
    { given: ['branchid'], order: null },
    { given: ['codebaseid', 'name'], order: null, index: 'codebase_branches_name' },
    { given: ['codebaseid'], order: 'branchid', index: 'codebase_branches_codebase' },
  ],
};

export const COMMITS: HistoryTable = {
  shape: shapeOf<CommitResource>({
    plural: 'commits',
    id: 'commitid',
    fields: {
      author: 'string',
      codebaseid: 'int',
      comments: 'string',
      commitid: 'int',
      committer: 'string?',
      parent_commitid: 'int?',
      revision: 'string',
      when_timestamp: 'time',
    },
  }),
  from: {
    table: 'codebase_commits c',
    joins: `${PROJECT_JOINS('c')}
      LEFT JOIN codebase_commits q ON q.codebase_id = c.codebase_id AND q.revision = c.parent_revision`,
  },
  leads: { by: 'project', sql: 'p.name' },
  id: 'c.id',
  columns: { commitid: { sql: 'c.id' }, codebaseid: { sql: 'c.codebase_id' }, revision: { sql: 'c.revision' } },
  orderAliases: {},
  cheap: [],
  paths: [
    { given: ['commitid'], order: null },
    { given: ['codebaseid', 'revision'], order: null, index: 'codebase_commits_revision' },
    { given: ['codebaseid'], order: 'commitid', index: 'codebase_commits_codebase' },
  ],
};

const BRANCH_COLUMNS = `b.id, b.codebase_id AS codebaseId, b.commit_id AS commitId, b.moved_at_ms AS movedAtMs, b.name`;
const COMMIT_COLUMNS = `c.id, c.codebase_id AS codebaseId, c.revision, q.id AS parentId, c.author, c.committer, c.comments,
  c.when_ms AS whenMs`;

/** How a codebase's row is found from each table. */
const CODEBASE_OF = {
  codebases: `SELECT id, project_id AS projectId FROM codebases WHERE id = ?`,
  codebase_branches: `SELECT k.id, k.project_id AS projectId FROM codebase_branches b JOIN codebases k ON k.id = b.codebase_id
    WHERE b.id = ?`,
  codebase_commits: `SELECT k.id, k.project_id AS projectId FROM codebase_commits c JOIN codebases k ON k.id = c.codebase_id
    WHERE c.id = ?`,
} as const;

interface BranchRow {
  id: number;
  codebaseId: number;
  commitId: number;
  movedAtMs: number;
  name: string;
}

interface CommitRow {
  id: number;
  codebaseId: number;
  revision: string;
  parentId: number | null;
  author: string;
  committer: string | null;
  comments: string;
  whenMs: number;
}

/** Codebases, and what their pollers have recorded of their branches and commits. */
export class CodebaseReads {
  constructor(private readonly db: Queryable) {}

  codebases(): Promise<CodebaseResource[]> {
    return this.db.all<CodebaseResource>(
      `SELECT id AS codebaseid, name, project_id AS projectid, slug FROM codebases ORDER BY id`,
    );
  }

  /** Returns the project that a row belongs to; null when there is no such row. */
  async projectOf(table: keyof typeof CODEBASE_OF, id: number): Promise<number | null> {
    return (await this.db.get<{ projectId: number }>(CODEBASE_OF[table], [id]))?.projectId ?? null;
  }

  branches(query: ResourceQuery): Promise<Page<BranchResource>> {
    return readHistory<BranchRow, BranchResource>(this.db, BRANCHES, BRANCH_COLUMNS, query, toBranch);
  }

  async branch(id: number): Promise<BranchResource | null> {
    const row = await this.db.get<BranchRow>(`SELECT ${BRANCH_COLUMNS} FROM codebase_branches b WHERE b.id = ?`, [id]);
    return row ? toBranch(row) : null;
  }

  async branchesByIds(ids: readonly number[]): Promise<BranchResource[]> {
    const rows = await allIn<BranchRow>(
      this.db,
      ids,
      (isOneOf) => `SELECT ${BRANCH_COLUMNS} FROM codebase_branches b WHERE b.id IN ${isOneOf}`,
    );
    return rows.map(toBranch);
  }

  /** Returns the branches that these changes have moved. */
  branchesOfChanges(changeIds: readonly number[]): Promise<{ readonly id: number }[]> {
    return this.recordsOf(changeIds, 'branch', 'codebase_branches WHERE codebase_id = ? AND name');
  }

  commits(query: ResourceQuery): Promise<Page<CommitResource>> {
    return readHistory<CommitRow, CommitResource>(this.db, COMMITS, COMMIT_COLUMNS, query, toCommit);
  }

  commit(id: number): Promise<CommitResource | null> {
    return this.commitWhere('c.id = ?', [id]);
  }

  async commitsByIds(ids: readonly number[]): Promise<CommitResource[]> {
    const rows = await allIn<CommitRow>(
      this.db,
      ids,
      (isOneOf) =>
        `SELECT ${COMMIT_COLUMNS} FROM ${COMMITS.from.table} ${COMMITS.from.joins!} WHERE c.id IN ${isOneOf}`,
    );
    return rows.map(toCommit);
  }

  /** Returns the commits as which these changes are recorded. */
  commitsOfChanges(changeIds: readonly number[]): Promise<{ readonly id: number }[]> {
    return this.recordsOf(changeIds, 'revision', 'codebase_commits WHERE codebase_id = ? AND revision');
  }

  commitByRevision(codebaseId: number, revision: string): Promise<CommitResource | null> {
    return this.commitWhere('c.codebase_id = ? AND c.revision = ?', [codebaseId, revision]);
  }

  /** Returns how two commits of a codebase go back to the newest that both come from; null when there is none among so many. */
  async commonParent(codebaseId: number, first: number, second: number): Promise<CommitGraphResource | null> {
    return graphOf(await this.lineOf(codebaseId, first), await this.lineOf(codebaseId, second));
  }

  /** Returns the rows of a table that codebases have for the branches or revisions of changes. */
  private async recordsOf(
    changeIds: readonly number[],
    field: 'branch' | 'revision',
    table: string,
  ): Promise<{ readonly id: number }[]> {
    // Names of projects and those in changes are of different collations, so they are not compared in SQL.
    const codebases = await this.db.all<{ id: number; name: string; project: string }>(
      `SELECT k.id, k.name, p.name AS project FROM codebases k JOIN projects p ON p.id = k.project_id`,
    );
    if (codebases.length === 0) return [];
    const changes = await allIn<{ project: string; codebase: string; value: string | null }>(
      this.db,
      changeIds,
      (isOneOf) => `SELECT DISTINCT project, codebase, ${field} AS value FROM changes WHERE id IN ${isOneOf}`,
    );
    const rows: { readonly id: number }[] = [];
    for (const { id, name, project } of codebases) {
      const its = changes.filter((change) => change.codebase === name && change.project === project);
      for (const some of chunked(its.flatMap(({ value }) => (value === null ? [] : [value]))))
        rows.push(
          ...(await this.db.all<{ id: number }>(`SELECT id FROM ${table} IN ${placeholders(some.length)}`, [
            id,
            ...some,
          ])),
        );
    }
    return rows;
  }

  private async commitWhere(condition: string, params: (number | string)[]): Promise<CommitResource | null> {
    const row = await this.db.get<CommitRow>(
      `SELECT ${COMMIT_COLUMNS} FROM ${COMMITS.from.table} ${COMMITS.from.joins!} WHERE ${condition}`,
      params,
    );
    return row ? toCommit(row) : null;
  }

  /** Returns a commit and its first parents, newest first. */
  private async lineOf(codebaseId: number, commitId: number): Promise<number[]> {
    const rows = await this.db.all<{ id: number }>(
      `WITH RECURSIVE ancestry (id, parent_revision, depth) AS (
         SELECT id, parent_revision, 1 FROM codebase_commits WHERE id = ? AND codebase_id = ?
         UNION ALL
         SELECT c.id, c.parent_revision, a.depth + 1 FROM ancestry a
         JOIN codebase_commits c ON c.codebase_id = ? AND c.revision = a.parent_revision
         WHERE a.depth < ${LINE_COMMITS - 1})
       SELECT id FROM ancestry ORDER BY depth`,
      [commitId, codebaseId, codebaseId],
    );
    return rows.map(({ id }) => id);
  }
}

/** Returns where two lines of commits, newest first, meet; null when they do not. */
export function graphOf(first: readonly number[], second: readonly number[]): CommitGraphResource | null {
  const places = new Map(second.map((id, index) => [id, index]));
  const index = first.findIndex((id) => places.has(id));
  if (index < 0) return null;
  const common = first[index]!;
  return {
    common,
    to1: first.slice(0, index).reverse(),
    to2: second.slice(0, places.get(common)).reverse(),
  };
}

function toBranch(row: BranchRow): BranchResource {
  return {
    branchid: row.id,
    codebaseid: row.codebaseId,
    commitid: row.commitId,
    last_timestamp: seconds(row.movedAtMs),
    name: row.name,
  };
}

function toCommit(row: CommitRow): CommitResource {
  return {
    author: row.author,
    codebaseid: row.codebaseId,
    comments: row.comments,
    commitid: row.id,
    committer: row.committer,
    parent_commitid: row.parentId,
    revision: row.revision,
    when_timestamp: seconds(row.whenMs),
  };
}
