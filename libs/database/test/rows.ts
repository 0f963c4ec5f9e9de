import { randomBytes } from 'node:crypto';
import { type Database, placeholders, type Row, type SqlValue } from '../src/sql.js';
import type { Schema } from './schema.js';

const ROWS = 3;
let counted = 1000;

/** Returns the columns of each table with their descriptions. */
function columnsOf(schema: Schema): Map<string, Map<string, string>> {
  const tables = new Map<string, Map<string, string>>();
  for (const [subject, words] of schema) {
    const [, table, column] = /^(\w+)\.(\w+)$/.exec(subject) ?? [];
    if (table === undefined || column === undefined) continue;
    if (!tables.has(table)) tables.set(table, new Map());
    tables.get(table)!.set(column, words);
  }
  return tables;
}

/**
 * Inserts some rows into every table: no two alike, with values of full length and special characters, and every other nullable column
 * null.
 */
export async function insertRows(db: Database, schema: Schema): Promise<void> {
  for (const [table, columns] of columnsOf(schema)) {
    const given = [...columns].filter(([, words]) => !words.includes('generated'));
    for (let i = 0; i < ROWS; i++) {
      const values = given.map(([, words]) => (i % 2 === 1 && !words.includes('not null') ? null : example(words)));
      const names = given.map(([name]) => name).join(', ');
      await db.run(`INSERT INTO ${table} (${names}) VALUES ${placeholders(given.length)}`, values);
    }
  }
}

function example(words: string): SqlValue {
  const [, type, length] = /^(\w+)(?:\((\d+)\))?/.exec(words)!;
  counted += 1;
  switch (type) {
    case 'bigint':
    case 'integer':
      return counted;
    case 'tinyint':
      return counted % 2;
    case 'varchar':
      return `${counted}`.slice(-Number(length)).padEnd(Number(length), 'é');
    case 'text':
    case 'longtext':
      return JSON.stringify({ counted, odd: `'"\\ %_\n\u0000 é 😀` });
    case 'binary':
      return randomBytes(Number(length));
    case 'blob':
    case 'longblob':
      return Buffer.concat([randomBytes(100), Buffer.from([0, 39, 92])]);
    default:
      throw new Error(`no example of '${words}'`);
  }
}

/** Returns all rows of all tables, with the columns of that schema. */
export async function readRows(db: Database, schema: Schema): Promise<Map<string, Row[]>> {
  const tables = new Map<string, Row[]>();
  for (const [table, columns] of columnsOf(schema)) {
    const key = schema.get(`${table} primary key`)!;
    tables.set(table, await db.all(`SELECT ${[...columns.keys()].join(', ')} FROM ${table} ORDER BY ${key}`));
  }
  return tables;
}

/**
 * Checks that all rows are still there and unchanged.
 * @returns the number of additional rows per table
 */
export function intact(before: ReadonlyMap<string, Row[]>, after: ReadonlyMap<string, Row[]>): Record<string, number> {
  const more: Record<string, number> = {};
  for (const [table, rows] of before) {
    const left = new Set(after.get(table)!.map(words));
    for (const row of rows) {
      if (!left.delete(words(row))) throw new Error(`${table}: this row is gone or changed: ${words(row)}`);
    }
    if (left.size > 0) more[table] = left.size;
  }
  return more;
}

function words(row: Row): string {
  return JSON.stringify(row);
}
