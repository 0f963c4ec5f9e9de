import type { EntityMetadata } from 'typeorm';
import type { Database, Row } from '../src/sql.js';
import type { DataSource } from 'typeorm';

/**
 * A schema as texts about tables, columns and indices, so that comparing two schemas means comparing texts: `masters.name` is `varchar(190)
 * utf8mb4_bin, not null`.
 */
export type Schema = ReadonlyMap<string, string>;

/** Returns the differences of two schemas. */
export function differences(one: Schema, other: Schema): string[] {
  const subjects = new Set([...one.keys(), ...other.keys()]);
  return [...subjects].filter((subject) => one.get(subject) !== other.get(subject)).sort();
}

interface Column {
  readonly type: string;
  readonly collation: string | null;
  readonly nullable: boolean;
  readonly generated: boolean;
  readonly default: string | null;
}

function columnWords(column: Column): string {
  const type = [column.type, ...(column.collation ? [column.collation] : [])].join(' ');
  return [
    type,
    column.nullable ? 'null' : 'not null',
    ...(column.generated ? ['generated'] : []),
    ...(column.default === null ? [] : [`default ${column.default}`]),
  ].join(', ');
}

function indexWords(isUnique: boolean, columns: readonly string[]): string {
  return `${isUnique ? 'unique ' : ''}(${columns.join(', ')})`;
}

/** Returns the schema of the entities, in the dialect of their DataSource. */
export function describedSchema(source: DataSource): Schema {
  const isSqlite = source.options.type === 'better-sqlite3';
  const schema = new Map<string, string>();
  for (const table of source.entityMetadatas) {
    const { tableName } = table;
    schema.set(tableName, isSqlite ? '' : 'InnoDB utf8mb4_bin Dynamic');
    for (const column of table.columns) {
      const type = source.driver.normalizeType(column);
      schema.set(
        `${tableName}.${column.databaseName}`,
        columnWords({
          type: column.length && !isSqlite ? `${type}(${column.length})` : type,
          collation: isSqlite ? null : (column.collation ?? null),
          nullable: column.isNullable,
          generated: column.isGenerated,
          default: column.default == null ? null : JSON.stringify(column.default),
        }),
      );
    }
    schema.set(`${tableName} primary key`, table.primaryColumns.map((column) => column.databaseName).join(', '));
    for (const index of keysOf(table)) {
      const columns = index.columns.map((column) => column.databaseName);
      schema.set(`${tableName} index ${index.name}`, indexWords(index.isUnique, columns));
    }
  }
  return schema;
}

/** Returns the keys of a table. Unique keys are indices to MySQL's driver and separate objects to SQLite's. */
function keysOf(table: EntityMetadata): { name: string; isUnique: boolean; columns: EntityMetadata['columns'] }[] {
  return [
    ...table.indices.map(({ name, isUnique, columns }) => ({ name, isUnique, columns })),
    ...table.uniques.map(({ name, columns }) => ({ name, isUnique: true, columns })),
  ];
}

/** Returns the schema of the database. */
export function actualSchema(db: Database): Promise<Schema> {
  return db.dialect.name === 'sqlite' ? sqliteSchema(db) : serverSchema(db);
}

interface PragmaColumn {
  readonly name: string;
  readonly type: string;
  readonly notnull: number;
  readonly dflt_value: string | null;
  readonly pk: number;
}

/** Parts of a table's statement that entities cannot express. */
const UNKNOWN_TO_ENTITIES = /\b(COLLATE \w+|WITHOUT ROWID|STRICT|REFERENCES|CHECK|GENERATED)\b/gi;

async function sqliteSchema(db: Database): Promise<Schema> {
  const schema = new Map<string, string>();
  const tables = await db.all<{ name: string; sql: string }>(
    `SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~' AND name <> 'migrations'`,
  );
  for (const table of tables) {
    schema.set(table.name, [...table.sql.matchAll(UNKNOWN_TO_ENTITIES)].map(([words]) => words).join(' '));
    const generates = /\bAUTOINCREMENT\b/i.test(table.sql);
    const columns = await db.all<PragmaColumn>(`SELECT * FROM pragma_table_xinfo('${table.name}')`);
    for (const column of columns) {
      const generated = generates && column.pk === 1;
      const words = columnWords({
        type: column.type.toLowerCase(),
        collation: null,
        // The key of a table's own rows is never null, though SQLite does not report it.
        nullable: column.notnull === 0 && !generated,
        generated,
        default: column.dflt_value,
      });
      schema.set(`${table.name}.${column.name}`, words);
    }
    const primary = columns.filter((column) => column.pk > 0).sort((a, b) => a.pk - b.pk);
    schema.set(`${table.name} primary key`, primary.map((column) => column.name).join(', '));
    const indices = await db.all<{ name: string; unique: number; origin: string; partial: number }>(
      `SELECT * FROM pragma_index_list('${table.name}') WHERE origin <> 'pk'`,
    );
    for (const index of indices) {
      const parts = await db.all<{ name: string; desc: number; coll: string }>(
        `SELECT * FROM pragma_index_xinfo('${index.name}') WHERE key = 1 ORDER BY seqno`,
      );
      const words = parts.map(({ name, desc, coll }) =>
        [name, ...(desc ? ['desc'] : []), ...(coll === 'BINARY' ? [] : [coll])].join(' '),
      );
      // Unique keys have no name here; the server names them by their first column.
      const name = index.origin === 'u' ? parts[0]!.name : index.name;
      schema.set(
        `${table.name} index ${name}`,
        indexWords(index.unique === 1, words) + (index.partial ? ' partial' : ''),
      );
    }
  }
  return schema;
}

async function serverSchema(db: Database): Promise<Schema> {
  const schema = new Map<string, string>();
  const about = (view: string, name = 'TABLE_SCHEMA'): Promise<Row[]> =>
    db.all(`SELECT * FROM information_schema.${view} WHERE ${name} = DATABASE() AND TABLE_NAME <> 'migrations'`);
  for (const table of await about('TABLES')) {
    schema.set(
      text(table['TABLE_NAME']),
      ['ENGINE', 'TABLE_COLLATION', 'ROW_FORMAT'].map((key) => table[key]).join(' '),
    );
  }
  for (const column of await about('COLUMNS')) {
    const type = text(column['DATA_TYPE']);
    const hasLength = /char|binary/.test(type);
    const words = columnWords({
      type:
        type +
        (hasLength ? `(${text(column['CHARACTER_MAXIMUM_LENGTH'])})` : '') +
        (text(column['COLUMN_TYPE']).includes('unsigned') ? ' unsigned' : ''),
      collation: column['COLLATION_NAME'] as string | null,
      nullable: column['IS_NULLABLE'] === 'YES',
      generated: column['EXTRA'] === 'auto_increment',
      // MariaDB reports NULL, MySQL nothing.
      default: column['COLUMN_DEFAULT'] === 'NULL' ? null : (column['COLUMN_DEFAULT'] as string | null),
    });
    schema.set(`${text(column['TABLE_NAME'])}.${text(column['COLUMN_NAME'])}`, words);
  }
  const indices = new Map<string, Row[]>();
  for (const part of await about('STATISTICS')) {
    const name = part['INDEX_NAME'] === 'PRIMARY' ? 'primary key' : `index ${text(part['INDEX_NAME'])}`;
    const subject = `${text(part['TABLE_NAME'])} ${name}`;
    indices.set(subject, [...(indices.get(subject) ?? []), part]);
  }
  for (const [subject, parts] of indices) {
    const columns = parts
      .sort((a, b) => Number(a['SEQ_IN_INDEX']) - Number(b['SEQ_IN_INDEX']))
      .map((part) =>
        [
          part['COLUMN_NAME'],
          ...(part['SUB_PART'] === null ? [] : [`first ${text(part['SUB_PART'])}`]),
          ...(part['COLLATION'] === 'A' ? [] : ['desc']),
        ].join(' '),
      );
    const isPrimary = subject.endsWith('primary key');
    schema.set(subject, isPrimary ? columns.join(', ') : indexWords(parts[0]!['NON_UNIQUE'] === 0, columns));
  }
  for (const constraint of await about('TABLE_CONSTRAINTS')) {
    if (['PRIMARY KEY', 'UNIQUE'].includes(text(constraint['CONSTRAINT_TYPE']))) continue;
    schema.set(
      `${text(constraint['TABLE_NAME'])} constraint ${text(constraint['CONSTRAINT_NAME'])}`,
      text(constraint['CONSTRAINT_TYPE']),
    );
  }
  return schema;
}

/** Converts a value of `information_schema` to text. */
function text(value: unknown): string {
  return String(value);
}
