import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import type { DataSource, EntityMetadata } from 'typeorm';
import { dataSource } from '../data-source.js';

const DOCS = readFileSync(resolve(import.meta.dirname, '../../../../docs/database.md'), 'utf8');

interface Drawn {
  readonly column: string;
  readonly type: string;
  readonly mark: string;
}

/** Returns the tables that `docs/database.md` draws, with the columns that it names. */
function drawn(): Map<string, Drawn[]> {
  const tables = new Map<string, Drawn[]>();
  for (const [, diagram] of DOCS.matchAll(/```mermaid\nerDiagram\n(.*?)```/gs)) {
    for (const [, table, body] of diagram!.matchAll(/^ {2}(\w+) \{\n(.*?)^ {2}\}/gms)) {
      const lines = [...body!.matchAll(/^ {4}(\w+) (\w+)(?: (PK|UK))?(?: "[^"]*")?$/gm)];
      expect(lines.length).toBe(body!.trimEnd().split('\n').length);
      tables.set(
        table!,
        lines.map(([, type, column, mark]) => ({ type: type!, column: column!, mark: mark ?? '' })),
      );
    }
  }
  return tables;
}

const TYPES: Readonly<Record<string, string>> = {
  bigint: 'bigint',
  boolean: 'boolean',
  varchar: 'string',
  longtext: 'text',
  longblob: 'blob',
  binary: 'uuid',
};

describe('docs/database.md', () => {
  let entities: EntityMetadata[];
  beforeAll(async () => {
    // Reads the entities' metadata without connecting to a database.
    const source: DataSource = await dataSource('mysql://nobody@127.0.0.1:1/nothing', 1).initialize();
    entities = source.entityMetadatas;
    await source.destroy();
  });

  it('draws every table', () => {
    expect([...drawn().keys()].sort()).toEqual(entities.map(({ tableName }) => tableName).sort());
  });

  it('draws columns as they are, and every column of a primary key', () => {
    const tables = drawn();
    for (const entity of entities) {
      const columns = tables.get(entity.tableName)!;
      const isUnique = (name: string): boolean =>
        entity.indices.some((key) => key.isUnique && key.columns.length === 1 && key.columns[0]!.databaseName === name);
      const truth = columns.map(({ column: name }) => {
        const column = entity.columns.find(({ databaseName }) => databaseName === name);
        if (!column) return { column: name, type: 'there is no such column', mark: '' };
        const mark = column.isPrimary ? 'PK' : isUnique(name) ? 'UK' : '';
        return { column: name, type: TYPES[column.type as string], mark };
      });
      expect({ [entity.tableName]: columns }).toEqual({ [entity.tableName]: truth });
      const primary = entity.primaryColumns.map(({ databaseName }) => databaseName);
      expect(columns.map(({ column }) => column)).toEqual(expect.arrayContaining(primary));
    }
  });
});
