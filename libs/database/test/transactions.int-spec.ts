import { beforeAll, describe, expect, it } from '@jest/globals';
import { isUniqueViolation, type Transaction } from '@millrace/database';
import { onEveryDatabase } from './databases.js';

onEveryDatabase('transactions', (get) => {
  beforeAll(async () => {
    const { db } = get();
    await db.run(`CREATE TABLE notes (id INTEGER PRIMARY KEY, body LONGTEXT NOT NULL)`);
    const id = db.dialect.name === 'sqlite' ? 'INTEGER PRIMARY KEY' : 'INTEGER PRIMARY KEY AUTO_INCREMENT';
    await db.run(`CREATE TABLE counted (id ${id}, body LONGTEXT NOT NULL)`);
  });
  const note = (tx: Transaction, id: number, text = `note ${id}`): Promise<void> =>
    tx.defer(`INSERT INTO notes (id, body) VALUES (?, ?)`, [id, text]);
  const ids = async (): Promise<number[]> =>
    (await get().db.all<{ id: number }>(`SELECT id FROM notes ORDER BY id`)).map(({ id }) => id);
  const emptied = (): Promise<unknown> => get().db.run(`DELETE FROM notes`);

  describe('with deferred writes', () => {
    it('are visible to the statements after them, in order, and committed', async () => {
      await emptied();
      const seen = await get().db.transaction(async (tx) => {
        await note(tx, 1);
        await note(tx, 2);
        await tx.defer(`DELETE FROM notes WHERE id = 1`);
        const { affected } = await tx.run(`UPDATE notes SET body = 'changed'`);
        const rows = await tx.all<{ id: number; body: string }>(`SELECT id, body FROM notes`);
        await note(tx, 3);
        return { affected, rows };
      });
      expect(seen).toEqual({ affected: 1, rows: [{ id: 2, body: 'changed' }] });
      expect(await ids()).toEqual([2, 3]);
    });

    it('of one row each tell its id, once they were sent', async () => {
      const insert = `INSERT INTO counted (body) VALUES (?)`;
      const ids = await get().db.transaction(async (tx) => {
        const { insertId: before } = await tx.run(insert, ['before']);
        const first = await tx.deferInsert(insert, ['first']);
        await note(tx, 99);
        const second = await tx.deferInsert(insert, ['second']);
        await tx.defer(`DELETE FROM notes WHERE id = 99`);
        await tx.sendDeferred();
        expect([first() - before, second() - before]).toEqual([1, 2]);
        return tx.deferInsert(insert, ['with the commit']);
      });
      expect(await get().db.all(`SELECT id FROM counted WHERE body = 'with the commit'`)).toEqual([{ id: ids() }]);
    });

    it('and reads, are answered in order by the next statement', async () => {
      await emptied();
      await get().db.transaction(async (tx) => {
        await note(tx, 1);
        const first = await tx.deferAll<{ id: number }>(`SELECT id FROM notes ORDER BY id`);
        await note(tx, 2);
        const second = await tx.deferAll<{ id: number }>(`SELECT id FROM notes WHERE id > ? ORDER BY id`, [0]);
        const none = await tx.deferAll(`SELECT id FROM notes WHERE id = 9`);
        expect(await tx.get(`SELECT COUNT(*) AS n FROM notes`)).toEqual({ n: 2 });
        expect([first(), second(), none()]).toEqual([[{ id: 1 }], [{ id: 1 }, { id: 2 }], []]);
      });
      const withCommit = await get().db.transaction((tx) => tx.deferAll(`SELECT id FROM notes ORDER BY id`));
      expect(withCommit()).toEqual([{ id: 1 }, { id: 2 }]);
      await get().db.transaction(async (tx) => {
        await note(tx, 8);
        const sent = await tx.deferAll(`SELECT MAX(id) AS id FROM notes`);
        await tx.sendDeferred();
        expect(sent()).toEqual([{ id: 8 }]);
        await tx.sendDeferred();
        await tx.run(`DELETE FROM notes WHERE id = 8`);
      });
      const unsent = get().db.transaction(async (tx) => {
        const rows = await tx.deferAll(`SELECT id FROM nowhere`);
        await note(tx, 3);
        return rows;
      });
      await expect(unsent).rejects.toThrow();
      expect(await ids()).toEqual([1, 2]);
    });

    it('are one statement to MariaDB, with one answer', async () => {
      await emptied();
      const isServer = get().db.dialect.name === 'mysql';
      const compounds = async (): Promise<number> =>
        isServer
          ? Number((await get().db.get<{ Value: string }>(`SHOW GLOBAL STATUS LIKE 'Com_compound_sql'`))!.Value)
          : 0;
      const before = await compounds();
      await get().db.transaction(async (tx) => {
        for (const id of [1, 2, 3]) await note(tx, id);
        const rows = await tx.deferAll(`SELECT id FROM notes`);
        await note(tx, 4);
        const { affected } = await tx.run(`DELETE FROM notes WHERE id > 2`);
        expect([rows(), affected]).toEqual([[{ id: 1 }, { id: 2 }, { id: 3 }], 2]);
        await note(tx, 5);
      });
      expect(await ids()).toEqual([1, 2, 5]);
      // The insertion of 4 stands alone between two answers that are needed.
      expect((await compounds()) - before).toBe(isServer ? 2 : 0);
    });

    it('leave nothing behind when one of them fails, whatever it was sent with', async () => {
      await emptied();
      await get().db.run(`INSERT INTO notes (id, body) VALUES (7, 'there')`);
      const withCommit = get().db.transaction(async (tx) => {
        await note(tx, 5);
        await note(tx, 7);
        await note(tx, 6);
      });
      expect(isUniqueViolation(await withCommit.catch((error: unknown) => error))).toBe(true);
      const withStatement = get().db.transaction(async (tx) => {
        await note(tx, 5);
        await note(tx, 7);
        await tx.get(`SELECT 1`);
        await note(tx, 6);
      });
      expect(isUniqueViolation(await withStatement.catch((error: unknown) => error))).toBe(true);
      expect(await ids()).toEqual([7]);
    });

    it('say in their error who has sent them', async () => {
      const theCaller = async (): Promise<void> => {
        await get().db.all(`SELECT nothing FROM notes`);
      };
      const error = (await theCaller().catch((thrown: unknown) => thrown)) as Error;
      expect(error.stack).toMatch(/nothing[^]*theCaller/);
    });

    it('leave nothing behind when the work itself fails', async () => {
      await emptied();
      const failing = get().db.transaction(async (tx) => {
        await note(tx, 1);
        throw new Error('changed my mind');
      });
      await expect(failing).rejects.toThrow('changed my mind');
      expect(await ids()).toEqual([]);
    });

    it('carry values that look like SQL, and more of them than fit into a packet', async () => {
      await emptied();
      const odd = `'; DROP TABLE notes; -- \\' \\" %`;
      const long = 'x'.repeat(700_000);
      await get().db.transaction(async (tx) => {
        await note(tx, 1, odd);
        for (let id = 2; id < 40; id++) await note(tx, id, long);
      });
      const rows = await get().db.all<{ body: string }>(`SELECT body FROM notes ORDER BY id`);
      expect(rows).toHaveLength(39);
      expect(rows[0]!.body).toBe(odd);
      expect(rows.slice(1).every(({ body }) => body === long)).toBe(true);
    });
  });
});
