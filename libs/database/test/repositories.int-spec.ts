import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { isUniqueViolation } from '@millrace/database';
import { In } from 'typeorm';
import { ProjectEntity } from '../src/entities/definitions.js';
import { MasterCommandEntity } from '../src/entities/masters.js';
import { openDatabase } from '../src/open.js';
import { locking } from '../src/repositories.js';
import type { Database } from '../src/sql.js';
import type { TracedStatement } from '../src/trace.js';
import { onEveryDatabase } from './databases.js';

onEveryDatabase('repositories', (get) => {
  let db: Database;
  let folder: string;
  let traceFile: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-repositories-'));
    traceFile = join(folder, 'trace.jsonl');
    process.env['MILLRACE_TRACE_SQL'] = traceFile;
    db = openDatabase(get().url);
    delete process.env['MILLRACE_TRACE_SQL'];
  });
  afterEach(async () => {
    await db.close();
    rmSync(folder, { recursive: true });
  });
  const traced = (): string[] =>
    readFileSync(traceFile, 'utf8')
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as TracedStatement).sql);
  const names = async (): Promise<string[]> =>
    (await db.all<{ name: string }>(`SELECT name FROM projects ORDER BY name`)).map(({ name }) => name);
  const emptied = (): Promise<unknown> => db.run(`DELETE FROM projects`);

  it('write and read in their transaction, after its deferred statements', async () => {
    await emptied();
    const failing = db.transaction(async (tx) => {
      await tx.defer(`INSERT INTO projects (name) VALUES ('deferred')`);
      const projects = await tx.repository(ProjectEntity);
      await projects.insert({ name: 'inserted', description: null });
      expect((await projects.find({ order: { name: 'ASC' } })).map(({ name }) => name)).toEqual([
        'deferred',
        'inserted',
      ]);
      expect(await (await db.repository(ProjectEntity)).count()).toBe(0);
      throw new Error('changed my mind');
    });
    await expect(failing).rejects.toThrow('changed my mind');
    expect(await names()).toEqual([]);
  });

  it('save several rows without a transaction of their own, and return their ids as numbers', async () => {
    await emptied();
    const saved = await db.transaction(async (tx) =>
      (await tx.repository(ProjectEntity)).save([
        { name: 'a', description: 'one' },
        { name: 'b', description: null },
      ]),
    );
    const rows = await db.all<{ id: number }>(`SELECT id FROM projects ORDER BY id`);
    expect(saved.map(({ id }) => id)).toEqual(rows.map(({ id }) => id));
    const { identifiers } = await (await db.repository(ProjectEntity)).insert([{ name: 'c' }, { name: 'd' }]);
    expect(identifiers).toEqual(await db.all(`SELECT id FROM projects WHERE name IN ('c', 'd') ORDER BY id`));
    expect(traced().filter((sql) => /START|BEGIN|COMMIT|ROLLBACK/.test(sql))).toEqual([]);
  });

  it('begin no transaction: only Database.transaction does', async () => {
    await emptied();
    const projects = await db.repository(ProjectEntity);
    await expect(projects.save({ name: 'a' })).rejects.toMatchObject({ code: 'transaction-by-typeorm' });
    await expect(projects.manager.transaction(async () => undefined)).rejects.toMatchObject({
      code: 'transaction-by-typeorm',
    });
    const nested = db.transaction(async (tx) =>
      (await tx.repository(ProjectEntity)).manager.transaction(async () => undefined),
    );
    await expect(nested).rejects.toMatchObject({ code: 'transaction-by-typeorm' });
    expect(await names()).toEqual([]);
  });

  it('report how many rows were matched, not how many were changed', async () => {
    await emptied();
    const projects = await db.repository(ProjectEntity);
    await projects.insert([
      { name: 'a', description: 'same' },
      { name: 'b', description: 'same' },
    ]);
    expect((await projects.update({ description: 'same' }, { description: 'same' })).affected).toBe(2);
    expect((await projects.update({ name: 'none' }, { description: 'same' })).affected).toBe(0);
    expect((await projects.delete({ name: In(['a', 'none']) })).affected).toBe(1);
    const ignored = projects.createQueryBuilder().insert().orIgnore().values({ name: 'b' }).updateEntity(false);
    await ignored.execute();
    expect(await names()).toEqual(['b']);
  });

  it('fail as statements do', async () => {
    await emptied();
    const projects = await db.repository(ProjectEntity);
    await projects.insert({ name: 'a' });
    expect(isUniqueViolation(await projects.insert({ name: 'a' }).catch((error: unknown) => error))).toBe(true);
  });

  it('accept values that look like SQL or like parameters', async () => {
    await emptied();
    const odd = [`'; DROP TABLE projects; -- \\' \\"`, ':name', '?', ':...names', '%_', '1', 'é 😀'];
    const projects = await db.repository(ProjectEntity);
    await projects.insert(odd.map((name) => ({ name, description: name })));
    for (const name of odd) {
      expect(await projects.findBy({ name, description: name })).toMatchObject([{ name, description: name }]);
    }
    expect(await projects.countBy({ name: In(odd) })).toBe(odd.length);
  });

  it('lock the rows that they read if the database locks rows, and use the database’s clock', async () => {
    await db.transaction(async (tx) => {
      const commands = await tx.repository(MasterCommandEntity);
      await commands.insert({ kind: 'drain', subjectId: 0, args: '{}', createdAtMs: () => tx.dialect.nowMs });
      const rows = await locking(commands.createQueryBuilder('c').where({ subjectId: 0 }), tx)
        .addSelect(`${tx.dialect.nowMs} - c.created_at_ms`, 'ageMs')
        .getRawAndEntities<{ ageMs: number }>();
      expect(rows.entities).toMatchObject([{ kind: 'drain', masterId: null, doneAtMs: null }]);
      expect(rows.raw[0]!.ageMs).toBeGreaterThanOrEqual(0);
      expect(rows.raw[0]!.ageMs).toBeLessThan(60_000);
    });
    const read = traced().find((sql) => sql.startsWith('SELECT') && sql.includes('ageMs'));
    expect(read!.endsWith(' FOR UPDATE')).toBe(db.dialect.name === 'mysql');
  });
});
