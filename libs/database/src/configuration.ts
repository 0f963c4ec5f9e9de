import {
  countsOf,
  isWorkerTemplate,
  type JsonValue,
  type LockDefinition,
  revisionDifferences,
  workerEntries,
} from '@millrace/domain';
import { type BuilderEntity, RevisionEntity } from './entities/definitions.js';
import { MasterEntity } from './entities/masters.js';
import { endPastReverts, type FileStanding } from './reverts.js';
import { startFromNow } from './intake/backlog.js';
import { aliveSql, type Incarnation } from './masters.js';
import { allIn, chunked, type Database, placeholders, type Row, rowPlaceholders, type Transaction } from './sql.js';
import { namesWithTokens } from './worker-tokens.js';

/** The parts of a configuration revision that have rows in the database. */
export interface Definitions {
  readonly projects: readonly {
    readonly name: string;
    readonly description?: string | null;
    /** The roles that see it. Missing where the default holds. */
    readonly visibleTo?: readonly string[];
  }[];
  readonly builders: readonly {
    readonly name: string;
    readonly description?: string | null;
    readonly project?: string | null;
    readonly tags: readonly string[];
    readonly workers: readonly string[];
    readonly fingerprint: string;
    /** Names that the builder had before. */
    readonly formerNames?: readonly string[];
    /** Whether a new request takes the place of compatible ones that wait. Default false. */
    readonly collapseRequests?: boolean;
    /** Present when a callback says which requests a new one takes the place of. */
    readonly collapseCallback?: string;
  }[];
  /** A name that ends in `*` is a template for workers with tokens. */
  readonly workers: readonly {
    readonly name: string;
    readonly maxBuilds: number;
    readonly missingTimeoutMs?: number | null;
  }[];
  readonly schedulers: readonly { readonly name: string; readonly kind: string }[];
  readonly changeSources: readonly { readonly name: string }[];
  readonly codebases?: readonly { readonly name: string; readonly project: string; readonly slug: string }[];
  readonly locks?: readonly LockDefinition[];
}

/** The numeric ids of everything that a configuration names. */
export interface DefinitionIds {
  readonly projects: ReadonlyMap<string, number>;
  readonly builders: ReadonlyMap<string, number>;
  /** Includes a template's workers, but not the template itself. */
  readonly workers: ReadonlyMap<string, number>;
  readonly schedulers: ReadonlyMap<string, number>;
  readonly locks: ReadonlyMap<string, number>;
}

/** The definitions of configurations. Written by SQL: there are thousands at once, nearly all of them unchanged. */
export class ConfigurationStore {
  constructor(private readonly db: Database) {}

  /**
   * Stores a compiled revision and assigns it to this master, in one transaction: names get ids, and the master is recorded as one that
   * runs these builders (`serves`) or else these schedulers. A fingerprint is stored once. `standing` says what the file has when that is
   * something else.
   */
  apply(
    me: Incarnation,
    revision: { fingerprint: string; body: string; standing?: FileStanding },
    definitions: Definitions,
    options: { serves: boolean },
  ): Promise<DefinitionIds> {
    return this.db.transaction(async (tx) => {
      const id = await storedRevision(tx, revision);
      const { fileFingerprint, missing } = revision.standing ?? {
        fileFingerprint: revision.fingerprint,
        missing: null,
      };
      await (
        await tx.repository(MasterEntity)
      ).update({ id: me.masterId }, { revisionId: id, fileFingerprint, missing });
      await endPastReverts(tx, fileFingerprint);
      const projects = await nameIds(tx, 'projects', definitions.projects, {
        description: (project) => project.description ?? null,
        visible_to: (project) => (project.visibleTo ? JSON.stringify(project.visibleTo) : null),
      });
      await renameBuilders(tx, definitions.builders);
      const builders = await nameIds(tx, 'builders', definitions.builders, {
        description: (builder) => builder.description ?? null,
        project_id: (builder) => (builder.project ? projects.get(builder.project)! : null),
        tags: (builder) => JSON.stringify(builder.tags),
        collapse: collapseOf,
      });
      const named = definitions.workers.filter((worker) => !isWorkerTemplate(worker.name));
      const workers = await workerRows(tx, [...named, ...(await templateWorkers(tx, definitions))]);
      const schedulers = await nameIds(tx, 'schedulers', definitions.schedulers, {
        kind: (scheduler) => scheduler.kind,
      });
      await nameIds(tx, 'change_sources', definitions.changeSources, {});
      await nameCodebases(tx, projects, definitions.codebases ?? []);
      const locks = await nameIds(tx, 'locks', definitions.locks ?? [], {
        kind: (lock) => lock.kind,
        definition: (lock) => JSON.stringify(lock),
      });
      if (options.serves) {
        await serveBuilders(tx, me, definitions, builders);
        await serveWorkers(tx, me, definitions, builders, workers);
      } else await runSchedulers(tx, me, [...schedulers.values()]);
      return { projects, builders, workers, schedulers, locks };
    });
  }

  /**
   * Gives a template's new workers ids, and records which builders they build. To be called after tokens were made or revoked.
   * @returns the ids of all workers
   */
  applyWorkers(me: Incarnation, definitions: Definitions, known: DefinitionIds): Promise<ReadonlyMap<string, number>> {
    return this.db.transaction(async (tx) => {
      const named = definitions.workers.flatMap(({ name }): [string, number][] => {
        const id = known.workers.get(name);
        return id === undefined ? [] : [[name, id]];
      });
      const workers = new Map([...named, ...(await workerRows(tx, await templateWorkers(tx, definitions)))]);
      await serveChangedWorkers(tx, me, definitions, known.builders, workers);
      return workers;
    });
  }
}

function collapseOf({
  collapseRequests,
  collapseCallback,
}: Definitions['builders'][number]): BuilderEntity['collapse'] {
  if (!collapseRequests) return null;
  return collapseCallback === undefined ? 'always' : 'asked';
}

/**
 * Returns the id of a revision. A new one is compared with the newest that there is; two masters that store it at once compare it alike.
 */
async function storedRevision(tx: Transaction, revision: { fingerprint: string; body: string }): Promise<number> {
  const { fingerprint, body } = revision;
  const revisions = await tx.repository(RevisionEntity);
  const stored = { select: { id: true }, where: { fingerprint } } as const;
  const known = await revisions.findOne(stored);
  if (known) return known.id;
  const before = await revisions.findOne({ select: { body: true }, where: {}, order: { id: 'DESC' } });
  const changed = before && JSON.stringify(countsOf(revisionDifferences(parsed(before.body), parsed(body))));
  await revisions
    .createQueryBuilder()
    .insert()
    .orIgnore()
    .values({ fingerprint, body, changed, createdAtMs: () => tx.dialect.nowMs })
    .updateEntity(false)
    .execute();
  return (await revisions.findOneOrFail(stored)).id;
}

function parsed(body: string): JsonValue {
  return JSON.parse(body) as JsonValue;
}

/**
 * Gives builders their new names, so that everything about them is found under these. A builder that has a row under its present name keeps
 * that one: its history under a former name stays apart.
 */
async function renameBuilders(tx: Transaction, builders: Definitions['builders']): Promise<void> {
  const renamed = builders.filter(({ formerNames = [] }) => formerNames.length > 0);
  const names = renamed.flatMap(({ name, formerNames = [] }) => [name, ...formerNames]);
  const known = new Set<string>();
  const rows = await allIn<{ name: string }>(
    tx,
    names,
    (isOneOf) => `SELECT name FROM builders WHERE name IN ${isOneOf}`,
  );
  for (const { name } of rows) known.add(name);
  for (const { name, formerNames = [] } of renamed) {
    const former = formerNames.find((one) => known.has(one));
    if (known.has(name) || former === undefined) continue;
    await tx.defer(`UPDATE builders SET name = ? WHERE name = ?`, [name, former]);
  }
}

/** Gives codebases their rows. Those that have left the configuration keep theirs, as their commits do. */
async function nameCodebases(
  tx: Transaction,
  projects: ReadonlyMap<string, number>,
  codebases: NonNullable<Definitions['codebases']>,
): Promise<void> {
  for (const { name, project, slug } of codebases) {
    const projectId = projects.get(project)!;
    await tx.defer(`${tx.dialect.insertIgnore} INTO codebases (project_id, name, slug) VALUES (?, ?, ?)`, [
      projectId,
      name,
      slug,
    ]);
    await tx.defer(`UPDATE codebases SET slug = ? WHERE project_id = ? AND name = ? AND slug <> ?`, [
      slug,
      projectId,
      name,
      slug,
    ]);
  }
}

async function serveBuilders(
  tx: Transaction,
  me: Incarnation,
  definitions: Definitions,
  builders: ReadonlyMap<string, number>,
): Promise<void> {
  await tx.defer(`DELETE FROM builder_masters WHERE master_id = ?`, [me.masterId]);
  const served = definitions.builders.map(({ name, fingerprint }) => [builders.get(name)!, me.masterId, fingerprint]);
  await insertRows(tx, 'builder_masters', ['builder_id', 'master_id', 'fingerprint'], served);
}

/**
 * Records the schedulers of this master. A scheduler is in use as long as a living master has it in its configuration, or the last master
 * that had it is merely away. One that comes back into use begins with what happens from now on.
 */
async function runSchedulers(tx: Transaction, me: Incarnation, schedulerIds: readonly number[]): Promise<void> {
  const mine = new Set(schedulerIds);
  const rows = await tx.all<{ schedulerId: number; masterId: number; isAlive: number }>(
    `SELECT s.scheduler_id AS schedulerId, s.master_id AS masterId, ${aliveSql(tx, 'm.epoch')} AS isAlive
     FROM scheduler_masters s JOIN masters m ON m.id = s.master_id`,
  );
  for (const { schedulerId, masterId, isAlive } of rows) {
    if (mine.has(schedulerId) || (masterId !== me.masterId && isAlive === 1)) continue;
    await tx.defer(`DELETE FROM scheduler_masters WHERE scheduler_id = ? AND master_id = ?`, [schedulerId, masterId]);
  }
  const inUse = new Set(rows.map(({ schedulerId }) => schedulerId));
  for (const schedulerId of await standingBehind(
    tx,
    schedulerIds.filter((id) => !inUse.has(id)),
  ))
    await startFromNow(tx, schedulerId);
  const known = new Set(rows.filter(({ masterId }) => masterId === me.masterId).map(({ schedulerId }) => schedulerId));
  const fresh = schedulerIds.filter((id) => !known.has(id)).map((id) => [id, me.masterId]);
  await insertRows(tx, 'scheduler_masters', ['scheduler_id', 'master_id'], fresh);
}

/** Returns the schedulers that have anything which a new scheduler would not: older cursors, a time to wake up, or waiting changes. */
async function standingBehind(tx: Transaction, schedulerIds: readonly number[]): Promise<number[]> {
  const rows = await allIn<{ id: number }>(
    tx,
    schedulerIds,
    (isOneOf) => `SELECT id FROM schedulers s WHERE id IN ${isOneOf} AND (wake_at_ms IS NOT NULL
         OR cursor_seq < (SELECT value FROM counters WHERE name = 'change-seq')
         OR buildset_cursor_seq < (SELECT value FROM counters WHERE name = 'buildset-seq')
         OR EXISTS (SELECT 1 FROM scheduler_changes c WHERE c.scheduler_id = s.id AND c.decision = 'waiting'))`,
  );
  return rows.map(({ id }) => id);
}

async function serveWorkers(
  tx: Transaction,
  me: Incarnation,
  definitions: Definitions,
  builders: ReadonlyMap<string, number>,
  workers: ReadonlyMap<string, number>,
): Promise<void> {
  await tx.defer(`DELETE FROM worker_builders WHERE master_id = ?`, [me.masterId]);
  await insertWorkers(tx, me, definitions, builders, workers);
}

/** Records changed workers. Of thousands of workers that build hundreds of builders, only the changed rows are written. */
async function serveChangedWorkers(
  tx: Transaction,
  me: Incarnation,
  definitions: Definitions,
  builders: ReadonlyMap<string, number>,
  workers: ReadonlyMap<string, number>,
): Promise<void> {
  const rows = await tx.all<{ workerId: number }>(
    `SELECT DISTINCT worker_id AS workerId FROM worker_builders WHERE master_id = ?`,
    [me.masterId],
  );
  const before = new Set(rows.map(({ workerId }) => workerId));
  const now = new Set(workers.values());
  for (const ids of chunked([...before].filter((id) => !now.has(id)))) {
    await tx.defer(`DELETE FROM worker_builders WHERE master_id = ? AND worker_id IN ${placeholders(ids.length)}`, [
      me.masterId,
      ...ids,
    ]);
  }
  await insertWorkers(tx, me, definitions, builders, new Map([...workers].filter(([, id]) => !before.has(id))));
}

async function insertWorkers(
  tx: Transaction,
  me: Incarnation,
  definitions: Definitions,
  builders: ReadonlyMap<string, number>,
  workers: ReadonlyMap<string, number>,
): Promise<void> {
  const entryOf = workerEntries(definitions.workers.map((worker) => worker.name));
  const ofEntry = new Map<string, number[]>();
  for (const [name, workerId] of workers) {
    const entry = entryOf(name)!;
    const ids = ofEntry.get(entry);
    if (ids) ids.push(workerId);
    else ofEntry.set(entry, [workerId]);
  }
  const pairs = definitions.builders.flatMap((builder) =>
    [...new Set(builder.workers)].flatMap((entry) =>
      (ofEntry.get(entry) ?? []).map((workerId) => [workerId, builders.get(builder.name)!, me.masterId]),
    ),
  );
  await insertRows(tx, 'worker_builders', ['worker_id', 'builder_id', 'master_id'], pairs);
}

async function insertRows(
  tx: Transaction,
  table: string,
  columns: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): Promise<void> {
  for (const chunk of chunked(rows)) {
    const values = rowPlaceholders(chunk.length, columns.length);
    await tx.defer(`INSERT INTO ${table} (${columns.join(', ')}) VALUES ${values}`, chunk.flat());
  }
}

type WorkerDefinition = Definitions['workers'][number];

/** Returns the workers that have a token and match a template. */
async function templateWorkers(tx: Transaction, definitions: Definitions): Promise<WorkerDefinition[]> {
  const byEntry = new Map(definitions.workers.map((worker) => [worker.name, worker]));
  const entries = [...byEntry.keys()];
  if (!entries.some(isWorkerTemplate)) return [];
  const entryOf = workerEntries(entries);
  return (await namesWithTokens(tx)).flatMap((name) => {
    const entry = entryOf(name);
    return entry === null || entry === name ? [] : [{ ...byEntry.get(entry)!, name }];
  });
}

function workerRows(tx: Transaction, workers: readonly WorkerDefinition[]): Promise<Map<string, number>> {
  return nameIds(tx, 'workers', workers, {
    max_builds: (worker) => worker.maxBuilds,
    missing_timeout_ms: (worker) => worker.missingTimeoutMs ?? null,
  });
}

/** Initial columns of a new row of each table, beside its name. A new scheduler begins with what happens from now on. */
type NamedTable = 'projects' | 'builders' | 'workers' | 'schedulers' | 'change_sources' | 'locks';
const firstValues = (nowMs: string): Record<NamedTable, Record<string, string>> => ({
  projects: {},
  builders: { tags: `'[]'`, next_number: '1' },
  workers: { info: `'{}'`, max_builds: '1', paused: '0', graceful: '0', session_epoch: '0', created_at_ms: nowMs },
  schedulers: {
    kind: `''`,
    enabled: '1',
    cursor_seq: `(SELECT value FROM counters WHERE name = 'change-seq')`,
    buildset_cursor_seq: `(SELECT value FROM counters WHERE name = 'buildset-seq')`,
  },
  change_sources: {},
  locks: { kind: `''`, definition: `'{}'` },
});

/** Gives every item a row and its id. There may be thousands, nearly all of them unchanged. */
async function nameIds<T extends { readonly name: string }>(
  tx: Transaction,
  table: NamedTable,
  items: readonly T[],
  columns: Readonly<Record<string, (item: T) => string | number | null>>,
): Promise<Map<string, number>> {
  const first = firstValues(tx.dialect.nowMs)[table];
  const names = Object.keys(columns);
  const ids = new Map<string, number>();
  for (const chunk of chunked(items)) {
    const known = await rowsOf(tx, table, names, chunk);
    const missing = chunk.filter(({ name }) => !known.has(name));
    if (missing.length > 0) {
      const columnList = ['name', ...Object.keys(first)].join(', ');
      const row = `(${['?', ...Object.values(first)].join(', ')})`;
      await tx.defer(
        `${tx.dialect.insertIgnore} INTO ${table} (${columnList}) VALUES ${missing.map(() => row).join(', ')}`,
        missing.map(({ name }) => name),
      );
      for (const [name, inserted] of await rowsOf(tx, table, names, missing)) known.set(name, inserted);
    }
    for (const item of chunk) {
      const row = known.get(item.name)!;
      ids.set(item.name, row.id);
      const values = names.map((name) => columns[name]!(item));
      if (names.every((name, i) => row[name] === values[i])) continue;
      await tx.defer(`UPDATE ${table} SET ${names.map((name) => `${name} = ?`).join(', ')} WHERE id = ?`, [
        ...values,
        row.id,
      ]);
    }
  }
  return ids;
}

type NamedRow = Row & { readonly id: number; readonly name: string };

async function rowsOf(
  tx: Transaction,
  table: string,
  columns: readonly string[],
  items: readonly { readonly name: string }[],
): Promise<Map<string, NamedRow>> {
  const rows = await tx.all<NamedRow>(
    `SELECT ${['id', 'name', ...columns].join(', ')} FROM ${table} WHERE name IN ${placeholders(items.length)}`,
    items.map(({ name }) => name),
  );
  return new Map(rows.map((row) => [row.name, row]));
}
