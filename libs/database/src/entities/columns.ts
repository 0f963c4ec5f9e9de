import { Column, type ColumnOptions, DefaultNamingStrategy, PrimaryGeneratedColumn } from 'typeorm';

/**
 * Column decorators, named like the types in the migrations (`migrations/types.ts`). Types are those of MariaDB and MySQL;
 * `libsql-driver.ts` maps them to those of SQLite.
 */
interface Options {
  readonly nullable?: boolean;
  /** Part of the primary key. */
  readonly primary?: boolean;
  /** Default of a column that a later release added to existing rows. */
  readonly default?: number;
}

const BYTE_BY_BYTE = { charset: 'utf8mb4', collation: 'utf8mb4_bin' };

/** A number that the database assigns and never uses twice. */
export const Id = (): PropertyDecorator => PrimaryGeneratedColumn({ type: 'bigint' });

export const Big = (options: Options = {}): PropertyDecorator => column({ type: 'bigint' }, options);

export const Bool = (options: Options = {}): PropertyDecorator => column({ type: 'boolean' }, options);

/** A name that a person gave. Compared byte by byte, including spaces at its end. MySQL's name for that collation is `utf8mb4_0900_bin`. */
export const Name = (options: Options = {}): PropertyDecorator =>
  column({ type: 'varchar', length: 190, charset: 'utf8mb4', collation: 'utf8mb4_nopad_bin' }, options);

/** Short text that may be indexed. Compared byte by byte, except for spaces at its end. */
export const Key = (length: number, options: Options = {}): PropertyDecorator =>
  column({ type: 'varchar', length, ...BYTE_BY_BYTE }, options);

export const Text = (options: Options = {}): PropertyDecorator =>
  column({ type: 'longtext', ...BYTE_BY_BYTE }, options);

export const Blob = (options: Options = {}): PropertyDecorator => column({ type: 'longblob' }, options);

/** A UUIDv7, as 16 bytes. */
export const Uuid = (options: Options = {}): PropertyDecorator => column({ type: 'binary', length: 16 }, options);

function column(type: ColumnOptions, options: Options): PropertyDecorator {
  return Column({ ...type, ...options });
}

/** Names columns: `leaseUntilMs` is the column `lease_until_ms`. */
export class ColumnNames extends DefaultNamingStrategy {
  override columnName(propertyName: string): string {
    return propertyName.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  }
}
