import type { CompiledConfig } from '@millrace/contracts';
import {
  type Belongings,
  NO_PROJECT,
  type ProjectVisibility,
  type Sight,
  type VisibilityPolicy,
} from '@millrace/domain';
import { allIn, placeholders, type Queryable, type SqlValue } from '../sql.js';

/** Rows that lead to builders, with the statement that does: `id` and `builderId`, for ids. */
const LEADING = {
  builds: `SELECT id, builder_id AS builderId FROM builds WHERE id IN`,
  steps: `SELECT s.id, b.builder_id AS builderId FROM steps s JOIN builds b ON b.id = s.build_id WHERE s.id IN`,
  logs: `SELECT l.id, b.builder_id AS builderId FROM logs l JOIN builds b ON b.id = l.build_id WHERE l.id IN`,
  buildrequests: `SELECT id, builder_id AS builderId FROM build_requests WHERE id IN`,
  test_result_sets: `SELECT id, builder_id AS builderId FROM test_result_sets WHERE id IN`,
  buildsets: `SELECT DISTINCT buildset_id AS id, builder_id AS builderId FROM build_requests WHERE buildset_id IN`,
} as const;

/** Resources, by their plural, that lead to builders. */
export type LeadingResource = keyof typeof LEADING;

/** Reads of what belongs to which project. */
export class BelongingReads {
  constructor(private readonly db: Queryable) {}

  async projects(): Promise<ProjectVisibility[]> {
    const rows = await this.db.all<{ id: number; name: string; visibleTo: string | null }>(
      `SELECT id, name, visible_to AS visibleTo FROM projects ORDER BY id`,
    );
    return rows.map(({ visibleTo, ...row }) => ({
      ...row,
      visibleTo: visibleTo === null ? null : (JSON.parse(visibleTo) as string[]),
    }));
  }

  /**
   * Returns everything that belongs to projects.
   * @param config the configuration in use
   */
  async all(
    { projects, byDefault }: VisibilityPolicy,
    config: Pick<CompiledConfig, 'schedulers' | 'changeSources' | 'hooks'> | null,
  ): Promise<Belongings> {
    const builders = await this.db.all<{ id: number; name: string; projectId: number | null }>(
      `SELECT id, name, project_id AS projectId FROM builders`,
    );
    const workers = new Map<number, { readonly name: string; readonly builderIds: number[] }>();
    for (const { id, name } of await this.db.all<{ id: number; name: string }>(`SELECT id, name FROM workers`))
      workers.set(id, { name, builderIds: [] });
    const pairs = await this.db.all<{ workerId: number; builderId: number }>(
      `SELECT DISTINCT worker_id AS workerId, builder_id AS builderId FROM worker_builders`,
    );
    for (const { workerId, builderId } of pairs) workers.get(workerId)?.builderIds.push(builderId);
    return {
      projects,
      byDefault,
      builders,
      workers,
      schedulers: new Map(config?.schedulers.map((one) => [one.name, one.builders])),
      changeSources: new Map(config?.changeSources.map((one) => [one.name, one.project])),
      hooks: new Map(config?.hooks.map((one) => [one.name, one.project])),
    };
  }

  /** Returns the builders that rows lead to, by the rows' ids. */
  async buildersOf(resource: LeadingResource, ids: readonly number[]): Promise<Map<number, number[]>> {
    const found = new Map<number, number[]>();
    const rows = await allIn<{ id: number; builderId: number }>(
      this.db,
      [...new Set(ids)],
      (isOneOf) => `${LEADING[resource]} ${isOneOf}`,
    );
    for (const { id, builderId } of rows) found.set(id, [...(found.get(id) ?? []), builderId]);
    return found;
  }

  /** Returns the name of the project of a change or source stamp; null when there is no such row. */
  async projectOf(table: 'changes' | 'source_stamps', id: number): Promise<string | null> {
    return (await this.db.get<{ project: string }>(`SELECT project FROM ${table} WHERE id = ?`, [id]))?.project ?? null;
  }

  async hookOf(deliveryId: number): Promise<string | null> {
    return (
      (await this.db.get<{ hook: string }>(`SELECT hook FROM hook_deliveries WHERE id = ?`, [deliveryId]))?.hook ?? null
    );
  }
}

/** How a history table leads to projects: by a column with a builder, by the builders of a buildset, by a project's name, or by a hook. */
export type Leading =
  | { readonly by: 'builder'; readonly sql: string }
  | { readonly by: 'buildset'; readonly sql: string }
  | { readonly by: 'project'; readonly sql: string }
  | { readonly by: 'hook'; readonly sql: string };

/**
 * Returns the condition that rows are visible. The parts about builders are scalar subqueries, which no optimizer turns into joins: the
 * order of the path stays, and each row costs one or a few look-ups.
 */
export function visibleSql({ by, sql }: Leading, sight: Sight): { readonly sql: string; readonly params: SqlValue[] } {
  const ids = sight.projectIds;
  if (ids.length === 0) return NOTHING;
  switch (by) {
    case 'builder':
      return {
        sql: `(SELECT COALESCE(v.project_id, ${NO_PROJECT}) FROM builders v WHERE v.id = ${sql}) IN ${placeholders(ids.length)}`,
        params: [...ids],
      };
    case 'buildset':
      return {
        sql: `(SELECT COUNT(*) FROM build_requests vr JOIN builders v ON v.id = vr.builder_id
          WHERE vr.buildset_id = ${sql} AND COALESCE(v.project_id, ${NO_PROJECT}) IN ${placeholders(ids.length)}) > 0`,
        params: [...ids],
      };
    case 'project': {
      const { are, names } = sight.changeProjects;
      if (names.length === 0) return are === 'hidden' ? EVERYTHING : NOTHING;
      return { sql: `${sql} ${are === 'hidden' ? 'NOT IN' : 'IN'} ${placeholders(names.length)}`, params: [...names] };
    }
    case 'hook': {
      const names = sight.hookNames;
      return names.length === 0 ? NOTHING : { sql: `${sql} IN ${placeholders(names.length)}`, params: [...names] };
    }
  }
}

const NOTHING = { sql: '1 = 0', params: [] };
const EVERYTHING = { sql: '1 = 1', params: [] };
