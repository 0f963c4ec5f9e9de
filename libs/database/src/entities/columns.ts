import { Column, type ColumnOptions, DefaultNamingStrategy, PrimaryGeneratedColumn } from 'typeorm';

/**
 * The kinds of columns that tables are made of, by the names that the migrations give them (`migrations/types.ts`). Types are those of MariaDB and
 * MySQL; `libsql-driver.ts` says what SQLite calls them.
 */
interface Options {
  readonly nullable?: boolean;
  /** Part of the primary key. */
  readonly primary?: boolean;
  /** Of a column that a later release added to rows that were there. */
  readonly default?: number;
}

const BYTE_BY_BYTE = { charset: 'utf8mb4', collation: 'utf8mb4_bin' };

/** A number that the database gives and that is never used twice. */
export const Id = (): PropertyDecorator => PrimaryGeneratedColumn({ type: 'bigint' });

export const Big = (options: Options = {}): PropertyDecorator => column({ type: 'bigint' }, options);

export const Bool = (options: Options = {}): PropertyDecorator => column({ type: 'boolean' }, options);

/** Short text that may be indexed; compared byte by byte. */
export const Key = (length: number, options: Options = {}): PropertyDecorator =>
  column({ type: 'varchar', length, ...BYTE_BY_BYTE }, options);

export const Text = (options: Options = {}): PropertyDecorator =>
  column({ type: 'longtext', ...BYTE_BY_BYTE }, options);

export const Blob = (options: Options = {}): PropertyDecorator => column({ type: 'longblob' }, options);

/** Version 7, as 16 bytes. */
export const Uuid = (options: Options = {}): PropertyDecorator => column({ type: 'binary', length: 16 }, options);

function column(type: ColumnOptions, options: Options): PropertyDecorator {
  return Column({ ...type, ...options });
}

/** `leaseUntilMs` is the column `lease_until_ms`. */
export class ColumnNames extends DefaultNamingStrategy {
  override columnName(propertyName: string): string {
    return propertyName.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  }
}
