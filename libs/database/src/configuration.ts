import type { Incarnation } from './masters.js';
import type { Database, Transaction } from './sql.js';

/** What a configuration revision defines, as far as the database names it. */
export interface Definitions {
  readonly projects: readonly { readonly name: string; readonly description?: string | null }[];
  readonly builders: readonly {
    readonly name: string;
    readonly description?: string | null;
    readonly project?: string | null;
    readonly tags: readonly string[];
    readonly workers: readonly string[];
    readonly fingerprint: string;
  }[];
  readonly workers: readonly { readonly name: string; readonly maxBuilds: number }[];
  readonly schedulers: readonly { readonly name: string; readonly kind: string }[];
  readonly changeSources: readonly { readonly name: string }[];
}

/** The numeric ids of everything a configuration names. */
export interface DefinitionIds {
  readonly builders: ReadonlyMap<string, number>;
  readonly workers: ReadonlyMap<string, number>;
  readonly schedulers: ReadonlyMap<string, number>;
}

export class ConfigurationStore {
  constructor(private readonly db: Database) {}

  /**
   * Stores a compiled revision and makes it this master's, in one transaction: names get ids, and with `serves` the master is
   * recorded as one that runs these builders. The same fingerprint is stored once.
   */
  apply(
    me: Incarnation,
    revision: { fingerprint: string; body: string },
    definitions: Definitions,
    options: { serves: boolean },
  ): Promise<DefinitionIds> {
    return this.db.transaction(async (tx) => {
      const now = tx.dialect.nowMs;
      await tx.run(
        `${tx.dialect.insertIgnore} INTO revisions (fingerprint, body, created_at_ms) VALUES (?, ?, ${now})`,
        [revision.fingerprint, revision.body],
      );
      const stored = await tx.get<{ id: number }>(`SELECT id FROM revisions WHERE fingerprint = ?`, [
        revision.fingerprint,
      ]);
      await tx.run(`UPDATE masters SET revision_id = ? WHERE id = ?`, [stored!.id, me.masterId]);
      const projects = await nameIds(tx, 'projects', definitions.projects, {
        description: (project) => project.description ?? null,
      });
      const builders = await nameIds(tx, 'builders', definitions.builders, {
        description: (builder) => builder.description ?? null,
        project_id: (builder) => (builder.project ? projects.get(builder.project)! : null),
        tags: (builder) => JSON.stringify(builder.tags),
      });
      const workers = await nameIds(tx, 'workers', definitions.workers, { max_builds: (worker) => worker.maxBuilds });
      const schedulers = await nameIds(tx, 'schedulers', definitions.schedulers, {
        kind: (scheduler) => scheduler.kind,
      });
      await nameIds(tx, 'change_sources', definitions.changeSources, {});
      if (options.serves) await this.serve(tx, me, definitions, builders, workers);
      return { builders, workers, schedulers };
    });
  }

  private async serve(
    tx: Transaction,
    me: Incarnation,
    definitions: Definitions,
    builders: ReadonlyMap<string, number>,
    workers: ReadonlyMap<string, number>,
  ): Promise<void> {
    await tx.run(`DELETE FROM builder_masters WHERE master_id = ?`, [me.masterId]);
    await tx.run(`DELETE FROM worker_builders WHERE master_id = ?`, [me.masterId]);
    for (const builder of definitions.builders) {
      const builderId = builders.get(builder.name)!;
      await tx.run(`INSERT INTO builder_masters (builder_id, master_id, fingerprint) VALUES (?, ?, ?)`, [
        builderId,
        me.masterId,
        builder.fingerprint,
      ]);
      for (const worker of builder.workers) {
        await tx.run(`INSERT INTO worker_builders (worker_id, builder_id, master_id) VALUES (?, ?, ?)`, [
          workers.get(worker)!,
          builderId,
          me.masterId,
        ]);
      }
    }
  }
}

/** What a new row of each table starts with, beside its name. A new scheduler looks at changes from now on. */
const FIRST_VALUES: Record<
  'projects' | 'builders' | 'workers' | 'schedulers' | 'change_sources',
  Record<string, string>
> = {
  projects: {},
  builders: { tags: `'[]'`, next_number: '1' },
  workers: { info: `'{}'`, max_builds: '1', paused: '0', graceful: '0', session_epoch: '0' },
  schedulers: { kind: `''`, enabled: '1', cursor_seq: `(SELECT value FROM counters WHERE name = 'change-seq')` },
  change_sources: {},
};

async function nameIds<T extends { readonly name: string }>(
  tx: Transaction,
  table: keyof typeof FIRST_VALUES,
  items: readonly T[],
  columns: Readonly<Record<string, (item: T) => string | number | null>>,
): Promise<Map<string, number>> {
  const first = FIRST_VALUES[table];
  const names = Object.keys(columns);
  const ids = new Map<string, number>();
  for (const item of items) {
    const columnList = ['name', ...Object.keys(first)].join(', ');
    const valueList = ['?', ...Object.values(first)].join(', ');
    await tx.run(`${tx.dialect.insertIgnore} INTO ${table} (${columnList}) SELECT ${valueList}`, [item.name]);
    if (names.length > 0) {
      await tx.run(`UPDATE ${table} SET ${names.map((name) => `${name} = ?`).join(', ')} WHERE name = ?`, [
        ...names.map((name) => columns[name]!(item)),
        item.name,
      ]);
    }
    ids.set(item.name, (await tx.get<{ id: number }>(`SELECT id FROM ${table} WHERE name = ?`, [item.name]))!.id);
  }
  return ids;
}
