import type { QueryRunner } from 'typeorm';

/** The column types of one dialect, so that one migration serves both. */
export interface DialectTypes {
  /** A number that is never used twice. */
  readonly id: string;
  readonly big: string;
  readonly bool: string;
  /** Short text that may be indexed. Compared byte by byte. */
  readonly key: (length: number) => string;
  readonly text: string;
  readonly blob: string;
  readonly uuid: string;
  /** End of a CREATE TABLE statement. */
  readonly end: string;
}

const SQLITE_TYPES: DialectTypes = {
  id: 'INTEGER PRIMARY KEY AUTOINCREMENT',
  big: 'INTEGER',
  bool: 'INTEGER',
  key: () => 'TEXT',
  text: 'TEXT',
  blob: 'BLOB',
  uuid: 'BLOB',
  end: '',
};

const MYSQL_TYPES: DialectTypes = {
  id: 'BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY',
  big: 'BIGINT',
  bool: 'TINYINT(1)',
  key: (length) => `VARCHAR(${length})`,
  text: 'LONGTEXT',
  blob: 'LONGBLOB',
  uuid: 'BINARY(16)',
  end: ' ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin ROW_FORMAT=DYNAMIC',
};

export function dialectTypes(queryRunner: QueryRunner): DialectTypes {
  return queryRunner.dataSource.options.type === 'better-sqlite3' ? SQLITE_TYPES : MYSQL_TYPES;
}
