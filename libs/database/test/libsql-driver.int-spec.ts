import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type EntityManager, EntitySchema } from 'typeorm';
import { LibsqlDataSource } from '../src/libsql-driver.js';

interface Note {
  id: number;
  body: string | null;
  bytes: Buffer | null;
}

const NOTE = new EntitySchema<Note>({
  name: 'notes',
  columns: {
    id: { type: 'bigint', primary: true, generated: true },
    body: { type: 'longtext', nullable: true },
    bytes: { type: 'longblob', nullable: true },
  },
});

/** Cases in which plain TypeORM is wrong on SQLite. */
describe("TypeORM's transactions on SQLite", () => {
  let folder: string;
  let file: string;
  let source: LibsqlDataSource;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-libsql-'));
    file = join(folder, 'test.sqlite');
    source = await new LibsqlDataSource(file, { entities: [NOTE] }).initialize();
    await source.query(`CREATE TABLE notes (id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT, bytes BLOB)`);
  });
  afterEach(async () => {
    await source.destroy();
    rmSync(folder, { recursive: true });
  });
  const bodies = async (): Promise<(string | null)[]> =>
    (await source.getRepository(NOTE).find({ order: { id: 'ASC' } })).map(({ body }) => body);
  const add = (manager: EntityManager, body: string): Promise<unknown> => manager.insert(NOTE, { body });

  it('refuse to run what has to be read: it would stay open, and keep the next transaction from beginning', () => {
    expect(() => source.driver.writer.run(`SELECT id FROM notes`, [])).toThrow(/must be read, not run: SELECT/);
    expect(source.driver.writer.all(`SELECT id FROM notes`, [])).toEqual([]);
  });

  it('run one after another, and a rollback affects no other', async () => {
    const order: string[] = [];
    const one = (name: string, fails: boolean): Promise<void> =>
      source.transaction(async (manager) => {
        order.push(`${name} begins`);
        await add(manager, name);
        await new Promise((resolve) => setImmediate(resolve));
        order.push(`${name} ends`);
        if (fails) throw new Error(`${name} fails`);
      });
    const ends = await Promise.allSettled([
      one('a', false),
      one('b', true),
      one('c', false),
      add(source.manager, 'alone'),
    ]);
    expect(ends.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
    expect(order).toEqual(['a', 'b', 'c'].flatMap((name) => [`${name} begins`, `${name} ends`]));
    expect((await bodies()).sort()).toEqual(['a', 'alone', 'c']);
  });

  it('can be nested', async () => {
    await source.transaction(async (manager) => {
      await add(manager, 'outer');
      await manager.transaction((inner) => add(inner, 'kept'));
      const failing = manager.transaction(async (inner) => {
        await add(inner, 'taken back');
        throw new Error('changed my mind');
      });
      await expect(failing).rejects.toThrow('changed my mind');
      await add(manager, 'after');
    });
    expect(await bodies()).toEqual(['outer', 'kept', 'after']);
  });

  it('end their turn when their runner is released half-way', async () => {
    const runner = source.createQueryRunner();
    await runner.startTransaction();
    await add(runner.manager, 'never');
    await runner.release();
    await source.transaction((manager) => add(manager, 'next'));
    expect(await bodies()).toEqual(['next']);
  });

  it('end their turn when SQLite has rolled back by itself', async () => {
    const failing = source.transaction(async (manager) => {
      await add(manager, 'never');
      await manager.query(`INSERT OR ROLLBACK INTO notes (id) SELECT id FROM notes`);
    });
    await expect(failing).rejects.toThrow(/UNIQUE/);
    await source.transaction((manager) => add(manager, 'next'));
    expect(await bodies()).toEqual(['next']);
  });

  it('of several processes all succeed, each reading what it writes', async () => {
    await source.query(`INSERT INTO notes (id, body) VALUES (1, '0')`);
    const url = new URL('../dist/libsql-driver.js', import.meta.url).href;
    const script = `
      const { LibsqlDataSource } = await import(process.argv[1]);
      const source = await new LibsqlDataSource(process.argv[2], {}).initialize();
      for (let i = 0; i < 100; i++)
        await source.transaction(async (manager) => {
          const [{ body }] = await manager.query('SELECT body FROM notes WHERE id = 1');
          await manager.query('UPDATE notes SET body = ? WHERE id = 1', [String(Number(body) + 1)]);
        });
      await source.destroy();`;
    const codes = await Promise.all(
      [1, 2, 3].map(async () => {
        const child = spawn(process.execPath, ['--input-type=module', '-e', script, url, file], { stdio: 'inherit' });
        return ((await once(child, 'close')) as [number])[0];
      }),
    );
    expect(codes).toEqual([0, 0, 0]);
    expect(await bodies()).toEqual(['300']);
  }, 60_000);

  it('bind numbers, so that one prepared statement serves all of them', () => {
    const [sql, values] = source
      .getRepository(NOTE)
      .createQueryBuilder('n')
      .where('n.id = :id AND n.id IN (:...ids) AND n.body = :body AND 1 = :yes', {
        id: 7,
        ids: [8, 9.5],
        body: '10',
        yes: true,
      })
      .getQueryAndParameters();
    expect(values).toEqual([7, 8, 9.5, '10', 1]);
    expect(sql).not.toMatch(/\b(7|8|9|10)\b/);
  });

  it('return bytes that can be written again, and the ids of several inserted rows', async () => {
    const notes = source.getRepository(NOTE);
    const bytes = Buffer.from([0, 1, 254, 255]);
    const saved = await notes.save([{ bytes }, { bytes }, { bytes: null }]);
    expect(saved.map(({ id }) => id)).toEqual([1, 2, 3]);
    const read = await notes.findOneByOrFail({ id: 2 });
    expect(Buffer.isBuffer(read.bytes)).toBe(true);
    await notes.save({ ...read, body: 'again' });
    expect(await notes.findOneByOrFail({ id: 2 })).toEqual({ id: 2, body: 'again', bytes });
  });

  it('are not visible from outside before they have ended', async () => {
    await source.transaction(async (manager) => {
      await add(manager, 'not yet');
      expect(source.driver.reader.all(`SELECT id FROM notes`, [])).toEqual([]);
    });
    expect(source.driver.reader.all(`SELECT id FROM notes`, [])).toHaveLength(1);
  });
});
