import type {
  BuilderResource,
  ChangeSourceResource,
  CompiledConfig,
  ForceSchedulerResource,
  MasterResource,
  ProjectResource,
  SchedulerResource,
  WorkerResource,
} from '@millrace/contracts';
import { undecided } from '../intake/backlog.js';
import { aliveSql, leasedSql } from '../masters.js';
import { ownershipName } from '../ownerships.js';
import { placeholders, type Queryable } from '../sql.js';
import { MOST_INFO_CHARACTERS } from '../worker-sessions.js';
import { inQuarantineSql } from '../workers.js';
import { seconds } from './history.js';
import { type ResourceShape, shapeOf } from './query.js';

export const CATALOG = {
  masters: shapeOf<MasterResource>({
    plural: 'masters',
    id: 'masterid',
    fields: {
      active: 'bool',
      host: 'string',
      last_active: 'time',
      lease_duration_s: 'int',
      lease_until: 'time',
      masterid: 'int',
      name: 'string',
      pid: 'int',
      revision: 'string?',
      role: 'string',
      started_at: 'time',
      state: 'string',
      version: 'string',
    },
  }),
  builders: shapeOf<BuilderResource>({
    plural: 'builders',
    id: 'builderid',
    fields: {
      builderid: 'int',
      config_differs: 'bool',
      description: 'string?',
      description_format: 'string?',
      description_html: 'string?',
      latest_buildid: 'int?',
      latest_green_buildid: 'int?',
      latest_results: 'int?',
      masterids: 'ints',
      name: 'string',
      projectid: 'int?',
      tags: 'strings',
    },
  }),
  workers: shapeOf<WorkerResource>({
    plural: 'workers',
    id: 'workerid',
    fields: {
      address: 'string?',
      configured_on: 'json',
      connected_since: 'time?',
      connected_to: 'json',
      graceful: 'bool',
      last_seen_at: 'time?',
      max_builds: 'int',
      missing_since: 'time?',
      name: 'identifier',
      pause_reason: 'string?',
      paused: 'bool',
      protocol: 'string?',
      quarantine_reason: 'string?',
      quarantined_until: 'time?',
      shutdown_reason: 'string?',
      version: 'string?',
      workerid: 'int',
      workerinfo: 'json',
    },
  }),
  schedulers: shapeOf<SchedulerResource>({
    plural: 'schedulers',
    id: 'schedulerid',
    fields: {
      backlog: 'int',
      called_at: 'time?',
      enabled: 'bool',
      kind: 'string',
      master: 'json?',
      name: 'string',
      schedulerid: 'int',
      wake_at: 'time?',
    },
  }),
  changesources: shapeOf<ChangeSourceResource>({
    plural: 'changesources',
    id: 'changesourceid',
    fields: {
      changesourceid: 'int',
      error: 'string?',
      master: 'json?',
      name: 'string',
      state: 'string',
      state_since: 'time?',
    },
  }),
  projects: shapeOf<ProjectResource>({
    plural: 'projects',
    id: 'projectid',
    fields: {
      active: 'bool?',
      description: 'string?',
      description_format: 'string?',
      description_html: 'string?',
      name: 'string',
      projectid: 'int',
      slug: 'identifier',
    },
  }),
  forceschedulers: shapeOf<ForceSchedulerResource>({
    plural: 'forceschedulers',
    id: 'name',
    fields: {
      all_fields: 'json',
      builder_names: 'strings',
      button_name: 'string',
      enabled: 'bool',
      label: 'string',
      name: 'identifier',
    },
  }),
} satisfies Record<string, ResourceShape>;

function onlyIn(column: string, ids: readonly number[] | undefined): string {
  return ids ? ` WHERE ${column} IN ${placeholders(ids.length)}` : '';
}

/** Reads of the configuration's definitions and the masters: tables that do not grow with history and are read completely. */
export class CatalogReads {
  constructor(private readonly db: Queryable) {}

  async masters(): Promise<MasterResource[]> {
    const rows = await this.db.all<{
      id: number;
      name: string;
      role: string;
      host: string;
      pid: number;
      version: string;
      state: string;
      startedAtMs: number;
      lastActiveAtMs: number;
      leaseUntilMs: number;
      leaseMs: number;
      alive: number;
      revision: string | null;
    }>(
      `SELECT m.id, m.name, m.role, m.host, m.pid, m.version, m.state, m.started_at_ms AS startedAtMs,
         m.last_active_at_ms AS lastActiveAtMs, m.lease_until_ms AS leaseUntilMs, m.lease_ms AS leaseMs,
         ${leasedSql(this.db, 'm')} AS alive, r.fingerprint AS revision
       FROM masters m LEFT JOIN revisions r ON r.id = m.revision_id ORDER BY m.id`,
    );
    return rows.map((row) => ({
      active: row.alive === 1,
      host: row.host,
      last_active: seconds(row.lastActiveAtMs),
      lease_duration_s: seconds(row.leaseMs),
      lease_until: seconds(row.leaseUntilMs),
      masterid: row.id,
      name: row.name,
      pid: row.pid,
      revision: row.revision,
      role: row.role,
      started_at: seconds(row.startedAtMs),
      state: row.state,
      version: row.version,
    }));
  }

  /** @param ids at most some hundred; all builders when missing */
  async builders(ids?: readonly number[]): Promise<BuilderResource[]> {
    if (ids?.length === 0) return [];
    const rows = await this.db.all<{
      id: number;
      name: string;
      description: string | null;
      projectId: number | null;
      tags: string;
      latestBuildId: number | null;
      latestResults: number | null;
      latestGreenBuildId: number | null;
    }>(
      `SELECT id, name, description, project_id AS projectId, tags, latest_build_id AS latestBuildId, latest_results AS latestResults,
         latest_green_build_id AS latestGreenBuildId FROM builders${onlyIn('id', ids)} ORDER BY id`,
      ids,
    );
    const served = new Map<number, { masterIds: number[]; fingerprints: Set<string> }>();
    const serving = await this.db.all<{ builderId: number; masterId: number; fingerprint: string; alive: number }>(
      `SELECT b.builder_id AS builderId, b.master_id AS masterId, b.fingerprint, ${leasedSql(this.db, 'm')} AS alive
       FROM builder_masters b JOIN masters m ON m.id = b.master_id${onlyIn('b.builder_id', ids)} ORDER BY b.builder_id, b.master_id`,
      ids,
    );
    for (const row of serving) {
      let entry = served.get(row.builderId);
      if (!entry) served.set(row.builderId, (entry = { masterIds: [], fingerprints: new Set() }));
      entry.masterIds.push(row.masterId);
      if (row.alive === 1) entry.fingerprints.add(row.fingerprint);
    }
    return rows.map((row) => ({
      builderid: row.id,
      config_differs: (served.get(row.id)?.fingerprints.size ?? 0) > 1,
      description: row.description,
      description_format: null,
      description_html: null,
      latest_buildid: row.latestBuildId,
      latest_green_buildid: row.latestGreenBuildId,
      latest_results: row.latestResults,
      masterids: served.get(row.id)?.masterIds ?? [],
      name: row.name,
      projectid: row.projectId,
      tags: JSON.parse(row.tags) as string[],
    }));
  }

  async builderId(name: string): Promise<number | null> {
    return (await this.db.get<{ id: number }>(`SELECT id FROM builders WHERE name = ?`, [name]))?.id ?? null;
  }

  /** Returns the ids of those builders that are known, by name. */
  async builderIds(names: readonly string[]): Promise<Map<string, number>> {
    if (names.length === 0) return new Map();
    const rows = await this.db.all<{ id: number; name: string }>(
      `SELECT id, name FROM builders WHERE name IN ${placeholders(names.length)} ORDER BY id`,
      names,
    );
    return new Map(rows.map(({ id, name }) => [name, id]));
  }

  /** Returns what has to be known of a scheduler to force builds with it, with the name of the builder of an id. */
  async scheduler(
    name: string,
    builderId: number | null,
  ): Promise<{ readonly id: number; readonly enabled: boolean; readonly builder: string | null } | null> {
    const row = await this.db.get<{ id: number; enabled: number; builder: string | null }>(
      `SELECT s.id, s.enabled, b.name AS builder FROM schedulers s LEFT JOIN builders b ON b.id = ? WHERE s.name = ?`,
      [builderId, name],
    );
    return row ? { ...row, enabled: row.enabled === 1 } : null;
  }

  async workerId(name: string): Promise<number | null> {
    return (await this.db.get<{ id: number }>(`SELECT id FROM workers WHERE name = ?`, [name]))?.id ?? null;
  }

  /** @param ids at most some hundred; all workers when missing */
  async workers(ids?: readonly number[]): Promise<WorkerResource[]> {
    if (ids?.length === 0) return [];
    const rows = await this.db.all<{
      id: number;
      name: string;
      /** Null when it is too long: earlier releases stored worker information of any length. */
      info: string | null;
      maxBuilds: number;
      paused: number;
      pauseReason: string | null;
      graceful: number;
      lastSeenAtMs: number | null;
      connectedTo: number | null;
      connectedSinceMs: number | null;
      missingAtMs: number | null;
      protocol: string | null;
      address: string | null;
      shutdownReason: string | null;
      quarantinedUntilMs: number | null;
      quarantineReason: string | null;
    }>(
      `SELECT w.id, w.name, CASE WHEN LENGTH(w.info) <= ${4 * MOST_INFO_CHARACTERS} THEN w.info END AS info, w.max_builds AS maxBuilds, w.paused, w.pause_reason AS pauseReason, w.graceful,
         w.last_seen_at_ms AS lastSeenAtMs, m.id AS connectedTo, w.connected_since_ms AS connectedSinceMs,
         w.missing_at_ms AS missingAtMs, w.protocol, w.address, w.shutdown_reason AS shutdownReason,
         CASE WHEN ${inQuarantineSql(this.db, 'w')} THEN w.quarantined_until_ms END AS quarantinedUntilMs,
         w.quarantine_reason AS quarantineReason
       FROM workers w LEFT JOIN masters m ON m.id = w.master_id AND ${aliveSql(this.db, 'w.master_epoch')}${onlyIn('w.id', ids)} ORDER BY w.id`,
      ids,
    );
    const configured = new Map<number, { builderid: number; masterid: number }[]>();
    const pairs = await this.db.all<{ workerId: number; builderId: number; masterId: number }>(
      `SELECT worker_id AS workerId, builder_id AS builderId, master_id AS masterId FROM worker_builders${onlyIn('worker_id', ids)}
       ORDER BY worker_id, builder_id, master_id`,
      ids,
    );
    for (const { workerId, builderId, masterId } of pairs) {
      const list = configured.get(workerId);
      if (list) list.push({ builderid: builderId, masterid: masterId });
      else configured.set(workerId, [{ builderid: builderId, masterid: masterId }]);
    }
    return rows.map((row) => {
      const info = infoOf(row.info);
      return {
        address: row.address,
        configured_on: configured.get(row.id) ?? [],
        connected_since: row.connectedTo === null ? null : seconds(row.connectedSinceMs),
        connected_to: row.connectedTo === null ? [] : [{ masterid: row.connectedTo }],
        graceful: row.graceful === 1,
        last_seen_at: seconds(row.lastSeenAtMs),
        max_builds: row.maxBuilds,
        missing_since: seconds(row.missingAtMs),
        name: row.name,
        pause_reason: row.pauseReason,
        paused: row.paused === 1,
        protocol: row.protocol,
        quarantine_reason: row.quarantinedUntilMs === null ? null : row.quarantineReason,
        quarantined_until: seconds(row.quarantinedUntilMs),
        shutdown_reason: row.shutdownReason,
        version: typeof info['version'] === 'string' ? info['version'] : null,
        workerid: row.id,
        workerinfo: info,
      };
    });
  }

  async schedulers(): Promise<SchedulerResource[]> {
    const rows = await this.db.all<{
      id: number;
      name: string;
      kind: string;
      enabled: number;
      cursorSeq: number;
      backlogSeq: number | null;
      backlogCount: number | null;
      wakeAtMs: number | null;
      calledAtMs: number | null;
    }>(
      `SELECT id, name, kind, enabled, cursor_seq AS cursorSeq, backlog_seq AS backlogSeq, backlog_count AS backlogCount,
              wake_at_ms AS wakeAtMs, called_at_ms AS calledAtMs
       FROM schedulers LEFT JOIN kept_calls ON scheduler_id = id ORDER BY id`,
    );
    const owners = await this.owners();
    const backlogs = new Map<number, number>();
    for (const { id, enabled, cursorSeq, backlogSeq, backlogCount } of rows)
      backlogs.set(id, enabled === 1 ? (backlogCount ?? 0) : await undecided(this.db, id, backlogSeq ?? cursorSeq));
    return rows.map((row) => ({
      backlog: backlogs.get(row.id)!,
      called_at: seconds(row.calledAtMs),
      enabled: row.enabled === 1,
      kind: row.kind,
      master: owners.get(ownershipName.scheduler(row.name)) ?? null,
      name: row.name,
      schedulerid: row.id,
      wake_at: seconds(row.wakeAtMs),
    }));
  }

  async changeSources(): Promise<ChangeSourceResource[]> {
    const rows = await this.db.all<{
      id: number;
      name: string;
      state: 'ok' | 'partial' | 'failing' | null;
      stateSinceMs: number | null;
      error: string | null;
    }>(`SELECT id, name, state, state_since_ms AS stateSinceMs, error FROM change_sources ORDER BY id`);
    const owners = await this.owners();
    return rows.map(({ id, name, state, stateSinceMs, error }) => {
      const master = owners.get(ownershipName.poller(name)) ?? null;
      // The last known state of a change source that nobody polls is out of date.
      const known = master
        ? { error, state: state ?? ('new' as const), state_since: seconds(stateSinceMs) }
        : { error: null, state: 'unpolled' as const, state_since: null };
      return { changesourceid: id, master, name, ...known };
    });
  }

  /**
   * @param tellActive whether to compute `active`, which reads the builders as well. As in Buildbot, only requests that filter by `active`
   *   get it
   */
  async projects({ tellActive }: { readonly tellActive: boolean }): Promise<ProjectResource[]> {
    const rows = await this.db.all<{ id: number; name: string; description: string | null }>(
      `SELECT id, name, description FROM projects ORDER BY id`,
    );
    const slugs = slugsOf(rows);
    const active = tellActive ? await this.activeProjects() : null;
    return rows.map((row) => ({
      active: active && active.has(row.id),
      description: row.description,
      description_format: null,
      description_html: null,
      name: row.name,
      projectid: row.id,
      slug: slugs.get(row.id)!,
    }));
  }

  /** Returns the projects with a builder that a living master serves. */
  private async activeProjects(): Promise<Set<number>> {
    const rows = await this.db.all<{ id: number }>(
      `SELECT b.project_id AS id FROM builder_masters s JOIN masters m ON m.id = s.master_id AND ${leasedSql(this.db, 'm')}
       JOIN builders b ON b.id = s.builder_id WHERE b.project_id IS NOT NULL`,
    );
    return new Set(rows.map((row) => row.id));
  }

  /**
   * Returns the configuration of forms and schedulers: the newest revision of a living scheduler master, otherwise of any living master,
   * otherwise the newest of all.
   */
  async currentRevision(): Promise<{ id: number; config: CompiledConfig } | null> {
    const row = await this.db.get<{ id: number }>(
      `SELECT r.id FROM revisions r LEFT JOIN masters m ON m.revision_id = r.id AND ${leasedSql(this.db, 'm')}
       ORDER BY CASE WHEN m.role = 'scheduler' THEN 0 WHEN m.id IS NOT NULL THEN 1 ELSE 2 END, r.id DESC LIMIT 1`,
    );
    if (!row) return null;
    if (this.revision?.id !== row.id) {
      const stored = await this.db.get<{ body: string }>(`SELECT body FROM revisions WHERE id = ?`, [row.id]);
      this.revision = { id: row.id, config: JSON.parse(stored!.body) as CompiledConfig };
    }
    return this.revision;
  }

  private revision: { id: number; config: CompiledConfig } | null = null;

  /** Returns the living owner by ownership name. */
  private async owners(): Promise<Map<string, MasterResource>> {
    const rows = await this.db.all<{ name: string; masterId: number }>(
      `SELECT o.name, o.master_id AS masterId FROM ownerships o JOIN masters m ON m.id = o.master_id AND m.epoch = o.master_epoch
       WHERE ${leasedSql(this.db, 'm')}`,
    );
    const masters = new Map((await this.masters()).map((master) => [master.masterid, master]));
    return new Map(rows.flatMap((row) => (masters.has(row.masterId) ? [[row.name, masters.get(row.masterId)!]] : [])));
  }
}

/** Returns slugs by id. Of names with the same slug, the first has it unchanged, and the others end in their ids. */
function slugsOf(rows: readonly { readonly id: number; readonly name: string }[]): Map<number, string> {
  const taken = new Set<string>();
  return new Map(
    rows.map(({ id, name }) => {
      const plain = name.replace(/[^a-zA-Z0-9._-]/g, '_');
      let slug = taken.has(plain) ? `${plain}-${id}` : plain;
      while (taken.has(slug)) slug += '_';
      taken.add(slug);
      return [id, slug];
    }),
  );
}

/** Returns a worker's information; a note instead when it is too long to be shown. */
function infoOf(text: string | null): WorkerResource['workerinfo'] {
  if (text === null) return { left_out: 'everything: it is too long, and will be shorter when the worker comes again' };
  return JSON.parse(text) as WorkerResource['workerinfo'];
}
