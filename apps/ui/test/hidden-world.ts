import type { CompiledBuilder, CompiledConfig, CompiledScheduler } from '@millrace/contracts';
import {
  AuditStore,
  createBuildset,
  type CreatedBuildset,
  type Database,
  HookDeliveryStore,
  IntakeStore,
  migrate,
  openDatabase,
} from '@millrace/database';
import { Result } from '@millrace/domain';
import { CONFIG, type Site } from './site.js';

/** Names of projects; the last one stands for none. */
export const PROJECTS = ['alpha', 'beta', 'gamma', ''] as const;
const BUILDERS = PROJECTS.flatMap((project) => ['one', 'two'].map((end) => ({ name: `${project}-${end}`, project })));
const namesOf = (project: string): string[] =>
  BUILDERS.filter((one) => one.project === project).map(({ name }) => name);
const FORCE = CONFIG.schedulers[0]!;
const scheduler = (name: string, builders: readonly string[]): CompiledScheduler => ({ ...FORCE, name, builders });

/** A configuration in which every project has its own of everything, and some things belong to several. */
export const WORLD: CompiledConfig = {
  ...CONFIG,
  projects: PROJECTS.filter((name) => name !== '').map((name) => ({ name, description: `about ${name}` })),
  workers: [...PROJECTS.map((project) => `${project}-worker`), 'shared'].map((name) => ({
    ...CONFIG.workers[0]!,
    name,
    maxBuilds: 20,
  })),
  builders: BUILDERS.map(({ name, project }): CompiledBuilder => ({
    ...CONFIG.builders[0]!,
    ...{ name, project: project || null, description: `builds ${project}`, tags: [`tag-${project}`] },
    ...{ workers: [`${project}-worker`, 'shared'], fingerprint: `fp-${name}` },
  })),
  schedulers: [
    ...PROJECTS.map((project) => scheduler(`${project}-force`, namesOf(project))),
    scheduler(
      'force-all',
      BUILDERS.map(({ name }) => name),
    ),
  ],
  changeSources: PROJECTS.map((project) => ({
    ...{ kind: 'git', name: `${project}.git`, pollIntervalMs: 60_000, project, category: null, codebase: '' },
    ...{ repository: `https://example.invalid/${project}.git`, branches: 'all', buildHeadsOnFirstSight: false },
  })),
  hooks: [...PROJECTS, null].map((project) => ({
    ...{ dialect: 'github', name: `${project}-hook`, hasSecret: false, codebase: '', project },
  })),
};

/** Fills a site: builds that ended, that run and that wait, in every project, and what leads across projects. */
export async function populate(site: Site): Promise<void> {
  const { db } = site;
  const parents = new Map<string, number>();
  for (const [index, project] of PROJECTS.entries()) {
    for (const hook of [`${project}-hook`, 'null-hook']) {
      await new HookDeliveryStore(db).accept({
        ...{ hook, dialect: 'github', deliveryKey: `key-${hook}-${project}`, headers: { 'x-of': project }, query: '' },
        ...{ body: Buffer.from('{}'), keepMs: 60_000 },
      });
    }
    const changeIds = await changesOf(site, project, index);
    if (project !== '') await codebaseOf(site, project);
    await db.run(
      `INSERT INTO scheduler_changes (scheduler_id, change_id, decision, important, reason, decided_at_ms)
       SELECT id, ?, 'ignored', 0, ?, 1700000000000 FROM schedulers`,
      [changeIds[0]!, `said about ${project}`],
    );
    for (const name of namesOf(project)) {
      for (const results of [Result.SUCCESS, Result.FAILURE]) {
        const created = await buildset(site, project, [name], changeIds);
        const build = await site.claim(created.requests[0]!.requestId, name, `${project}-worker`);
        await site.finish(build, results, [`oa line of ${project}`]);
        parents.set(project, build.buildId);
      }
      const running = await buildset(site, project, [name], []);
      const build = await site.claim(running.requests[0]!.requestId, name, 'shared');
      await site.write(build, [
        { kind: 'step-started', number: 0, name: `step-${project}`, hidden: false },
        { kind: 'log-lines', step: 0, log: 'stdio', type: 's', text: `oruns for ${project}\n`, lines: 1 },
      ]);
      await db.run(
        `INSERT INTO lock_holds (build_id, step_number, lock_id, worker_id, mode, amount, resources, taken_at_ms)
         SELECT ?, -1, id, 0, 'counting', 1, '[]', 1700000000000 FROM locks`,
        [build.buildId],
      );
      await db.run(`INSERT INTO build_data (build_id, name, source, value) VALUES (?, ?, 'test', ?)`, [
        build.buildId,
        `data-${project}`,
        Buffer.from(`"${project}"`),
      ]);
      await db.run(
        `INSERT INTO test_result_sets (builder_id, build_id, step_id, ordinal, description, category, value_unit, num_results, complete)
         SELECT ?, build_id, id, 0, ?, 'pass_fail', 'x', 1, 1 FROM steps WHERE build_id = ?`,
        [site.builder(name), `tests of ${project}`, build.buildId],
      );
      await db.run(
        `INSERT INTO test_results (set_id, name, value) SELECT id, ?, '1' FROM test_result_sets WHERE build_id = ?`,
        [`test of ${project}`, build.buildId],
      );
      await buildset(site, project, [name], []);
    }
    await new AuditStore(db).done({
      ...{ username: 'ann', via: 'session', tokenId: null, address: '::1' },
      ...{ action: 'stop', target: `builders/${project}-one`, params: {} },
    });
  }
  // What leads from one project to the next: buildsets with requests of both, and builds that were triggered by others.
  for (const [index, project] of PROJECTS.entries()) {
    const next = PROJECTS[(index + 1) % PROJECTS.length]!;
    await buildset(site, project, [`${project}-one`, `${next}-one`], []);
    await buildset(site, next, [`${next}-two`], [], parents.get(project));
  }
}

async function changesOf(site: Site, project: string, index: number): Promise<number[]> {
  const ids: number[] = [];
  for (const n of [1, 2]) {
    ids.push(
      ...(await new IntakeStore(site.db).addChanges([
        {
          ...{
            dedupKey: `${project}-${n}`,
            author: `${project} author`,
            committer: null,
            comments: `about ${project}`,
          },
          ...{ branch: `branch-${project}`, revision: `${index}${n}`.padStart(40, 'a'), project, codebase: '' },
          ...{ repository: `https://example.invalid/${project}.git`, revlink: `https://${project}.invalid` },
          ...{ category: null, whenMs: 1_700_000_000_000, files: [`${project}.c`], properties: {} },
        },
      ])),
    );
  }
  return ids;
}

async function codebaseOf({ db }: Site, project: string): Promise<void> {
  await db.run(`INSERT INTO codebases (project_id, name, slug) SELECT id, 'app', ? FROM projects WHERE name = ?`, [
    `slug-${project}`,
    project,
  ]);
  const codebase = `(SELECT k.id FROM codebases k JOIN projects p ON p.id = k.project_id WHERE p.name = '${project}')`;
  for (const [revision, parent] of [
    ['r1', null],
    ['r2', 'r1'],
  ])
    await db.run(
      `INSERT INTO codebase_commits (codebase_id, revision, parent_revision, author, comments, when_ms)
       VALUES (${codebase}, ?, ?, ?, ?, 1700000000000)`,
      [revision!, parent!, `${project} author`, `about ${project}`],
    );
  await db.run(
    `INSERT INTO codebase_branches (codebase_id, name, commit_id, moved_at_ms)
     SELECT codebase_id, ?, MAX(id), 1700000000000 FROM codebase_commits WHERE codebase_id = ${codebase} GROUP BY codebase_id`,
    [`branch-${project}`],
  );
}

function buildset(
  site: Site,
  project: string,
  builders: readonly string[],
  changeIds: readonly number[],
  parent?: number,
): Promise<CreatedBuildset> {
  return site.db.transaction(async (tx) => {
    const created = await createBuildset(tx, {
      ...{ schedulerId: null, schedulerName: `${project}-force`, cause: `cause-${Math.random()}` },
      reason: `for ${project}`,
      sourceStamps: [
        {
          ...{ branch: `branch-${project}`, revision: null, project, codebase: '' },
          repository: `https://example.invalid/${project}.git`,
        },
      ],
      changeIds: [...changeIds],
      properties: { of: [project, 'Test'] },
      builderIds: builders.map((name) => site.builder(name)),
      ...(parent !== undefined && { parent: { buildId: parent, relationship: 'Triggered from x', waits: false } }),
    });
    return created!;
  });
}

/** A copy of a site without some of its projects: what those who do not see these may learn of the site. */
export async function withoutProjects(site: Site, url: string, hidden: ReadonlySet<string>): Promise<Database> {
  await migrate(url);
  const copy = openDatabase(url);
  const tables = await tablesOf(copy);
  await copy.transaction(async (tx) => {
    for (const table of tables) {
      await tx.run(`DELETE FROM ${table}`);
      for (const row of await site.db.all(`SELECT * FROM ${table}`)) {
        const columns = Object.keys(row);
        await tx.defer(
          `INSERT INTO ${table} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`,
          Object.values(row) as (string | number | null | Buffer)[],
        );
      }
    }
  });
  const names = [...hidden].map((name) => `'${name}'`).join(', ');
  const isGone = `COALESCE((SELECT p.name FROM projects p WHERE p.id = b.project_id), '') IN (${names})`;
  const builders = `SELECT b.id FROM builders b WHERE ${isGone}`;
  const gone = (await copy.all<{ id: number }>(builders)).map(({ id }) => id).join(', ');
  const steps = `(SELECT id FROM steps WHERE build_id IN (SELECT id FROM builds WHERE builder_id IN (${gone})))`;
  for (const statement of [
    `DELETE FROM test_results WHERE set_id IN (SELECT id FROM test_result_sets WHERE builder_id IN (${gone}))`,
    `DELETE FROM test_result_sets WHERE builder_id IN (${gone})`,
    `DELETE FROM build_data WHERE build_id IN (SELECT id FROM builds WHERE builder_id IN (${gone}))`,
    `DELETE FROM log_chunks WHERE log_id IN (SELECT id FROM logs WHERE step_id IN ${steps})`,
    `DELETE FROM logs WHERE step_id IN ${steps}`,
    `DELETE FROM steps WHERE build_id IN (SELECT id FROM builds WHERE builder_id IN (${gone}))`,
    `UPDATE buildsets SET parent_build_id = NULL, parent_relationship = NULL, reason = ''
     WHERE parent_build_id IN (SELECT id FROM builds WHERE builder_id IN (${gone}))`,
    `DELETE FROM builds WHERE builder_id IN (${gone})`,
    `DELETE FROM claims WHERE builder_id IN (${gone})`,
    `DELETE FROM queue WHERE builder_id IN (${gone})`,
    `DELETE FROM build_requests WHERE builder_id IN (${gone})`,
    `DELETE FROM buildsets WHERE id NOT IN (SELECT buildset_id FROM build_requests)`,
    `DELETE FROM source_stamps WHERE project IN (${names})`,
    `DELETE FROM scheduler_changes WHERE change_id IN (SELECT id FROM changes WHERE project IN (${names}))`,
    `DELETE FROM changes WHERE project IN (${names})`,
    `DELETE FROM buildset_source_stamps WHERE source_stamp_id NOT IN (SELECT id FROM source_stamps)
     OR buildset_id NOT IN (SELECT id FROM buildsets)`,
    `DELETE FROM buildset_changes WHERE change_id NOT IN (SELECT id FROM changes) OR buildset_id NOT IN (SELECT id FROM buildsets)`,
    `DELETE FROM worker_builders WHERE builder_id IN (${gone})`,
    `DELETE FROM workers WHERE id NOT IN (SELECT worker_id FROM worker_builders)`,
    `DELETE FROM builder_masters WHERE builder_id IN (${gone})`,
    `DELETE FROM builders WHERE id IN (${gone})`,
    `DELETE FROM schedulers WHERE name IN (${[...hidden].map((name) => `'${name}-force'`).join(', ')})`,
    `DELETE FROM change_sources WHERE name IN (${[...hidden].map((name) => `'${name}.git'`).join(', ')})`,
    `DELETE FROM hook_deliveries WHERE hook = 'null-hook' OR hook IN (${[...hidden].map((name) => `'${name}-hook'`).join(', ')})`,
    `DELETE FROM codebases WHERE project_id IN (SELECT id FROM projects WHERE name IN (${names}))`,
    `DELETE FROM codebase_commits WHERE codebase_id NOT IN (SELECT id FROM codebases)`,
    `DELETE FROM codebase_branches WHERE codebase_id NOT IN (SELECT id FROM codebases)`,
    `DELETE FROM projects WHERE name IN (${names})`,
    `UPDATE projects SET visible_to = NULL`,
    `DELETE FROM audit`,
  ])
    await copy.run(statement);
  if ((await copy.get<{ n: number }>(`SELECT COUNT(*) AS n FROM builders`))!.n === 0)
    await copy.run(`DELETE FROM schedulers`);
  const isVisible = ({ name }: { name: string }): boolean => !hidden.has(name.split('-')[0]!);
  const config: CompiledConfig = {
    ...WORLD,
    builders: WORLD.builders.filter(isVisible),
    schedulers: WORLD.schedulers.flatMap((one) => {
      const its = one.builders.filter((name) => isVisible({ name }));
      return its.length === 0 ? [] : [{ ...one, builders: its }];
    }),
  };
  await copy.run(`UPDATE revisions SET body = ?`, [JSON.stringify(config)]);
  return copy;
}

async function tablesOf(db: Database): Promise<string[]> {
  const rows = await db.all<{ name: string }>(
    db.dialect.name === 'sqlite'
      ? `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`
      : `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = DATABASE()`,
  );
  return rows.map(({ name }) => name).filter((name) => name !== 'migrations');
}

/** Says which roles see a project, as a configuration does; null for what the default says. */
export async function show(site: Site, visibleTo: ReadonlyMap<string, readonly string[] | null>): Promise<void> {
  for (const [name, roles] of visibleTo)
    await site.db.run(`UPDATE projects SET visible_to = ? WHERE name = ?`, [roles && JSON.stringify(roles), name]);
}
