import { describe, expect, it } from '@jest/globals';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Database, SQLITE } from './sql.js';
import { statementKey, traced } from './trace.js';

describe('statementKey', () => {
  it('is the same for lists of any length', () => {
    const query = (list: string): string =>
      statementKey(`SELECT id\n  FROM builds WHERE id IN (${list}) AND number = ?`);
    expect(query('?, ?, ?')).toBe(query('?, ?'));
    expect(query('?')).not.toBe(statementKey('SELECT id FROM steps WHERE id IN (?) AND number = ?'));
  });

  it('is the same for any number of inserted rows', () => {
    expect(statementKey('INSERT INTO a (b, c) VALUES (?, ?), (?, ?)')).toBe(
      statementKey('INSERT INTO a (b, c) VALUES (?, ?), (?, ?), (?, ?)'),
    );
  });
});

describe('traced', () => {
  it('writes a few examples of every statement, inside and outside of transactions, and still runs them', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-trace-'));
    const file = join(folder, 'trace.jsonl');
    const ran: string[] = [];
    const plain = {
      dialect: SQLITE,
      all: async <T>(sql: string): Promise<T[]> => (ran.push(sql), []),
      get: async <T>(sql: string): Promise<T | undefined> => (ran.push(sql), undefined),
      run: async (sql: string) => (ran.push(sql), { affected: 0, insertId: 0 }),
      repository: () => Promise.reject(new Error('not asked for here')),
    };
    const defer = async (sql: string) => void ran.push(sql);
    const database: Database = {
      ...plain,
      transaction: (work) =>
        work({
          ...plain,
          inTransaction: true,
          defer,
          deferAll: async <T>(sql: string) => (ran.push(sql), (): T[] => []),
          sendDeferred: async () => undefined,
          deferInsert: async (sql) => (ran.push(sql), () => 1),
          deferToEnd: defer,
        }),
      close: async () => undefined,
    };
    const db = traced(database, file);
    for (let id = 0; id < 5; id++) await db.get('SELECT 1 FROM builds WHERE id = ?', [id]);
    await db.transaction((tx) => tx.run('UPDATE builds SET uuid = ?', [Buffer.from([1, 255])]));
    const lines = readFileSync(file, 'utf8').trim().split('\n');
    rmSync(folder, { recursive: true });
    expect(ran).toHaveLength(6);
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
      ...[0, 1, 2].map((id) => ({ sql: 'SELECT 1 FROM builds WHERE id = ?', params: [id] })),
      { sql: 'UPDATE builds SET uuid = ?', params: [{ hex: '01ff' }] },
    ]);
  });
});
