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

/** A name that a person gave; compared byte by byte, spaces at its end, too. MySQL's name for that collation is `utf8mb4_0900_bin`. */
export const Name = (options: Options = {}): PropertyDecorator =>
  column({ type: 'varchar', length: 190, charset: 'utf8mb4', collation: 'utf8mb4_nopad_bin' }, options);

/** Short text that may be indexed; compared byte by byte, but for spaces at its end. */
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
