import type { MigrationInterface, QueryRunner } from 'typeorm';
import { dialectTypes } from './types.js';

/** Locks, who has them and who waits for them, and how long steps have waited. */
export class Locks0016 implements MigrationInterface {
  name = 'Locks1700000000016';

  async up(queryRunner: QueryRunner): Promise<void> {
    const { id, big, key, text, end } = dialectTypes(queryRunner);
    const statements = [
      `CREATE TABLE locks (id ${id}, name ${key(190)} NOT NULL, kind ${key(16)} NOT NULL, definition ${text} NOT NULL, UNIQUE (name))${end}`,
      `CREATE TABLE lock_holds (
        build_id ${big} NOT NULL, step_number ${big} NOT NULL, lock_id ${big} NOT NULL, worker_id ${big} NOT NULL,
        mode ${key(16)} NOT NULL, amount ${big} NOT NULL, resources ${text} NOT NULL, taken_at_ms ${big} NOT NULL,
        PRIMARY KEY (build_id, step_number, lock_id, worker_id))${end}`,
      `CREATE INDEX lock_holds_lock ON lock_holds (lock_id)`,
      `CREATE TABLE lock_waits (
        builder_id ${big} NOT NULL, build_id ${big} NOT NULL, step_number ${big} NOT NULL, lock_id ${big} NOT NULL,
        worker_id ${big} NOT NULL, request_id ${big} NOT NULL, mode ${key(16)} NOT NULL, amount ${big} NOT NULL,
        capacity ${big} NOT NULL, since_ms ${big} NOT NULL, seen_at_ms ${big} NOT NULL,
        PRIMARY KEY (builder_id, build_id, step_number, lock_id, worker_id))${end}`,
      `CREATE INDEX lock_waits_lock ON lock_waits (lock_id)`,
      `CREATE INDEX lock_waits_build ON lock_waits (build_id)`,
      `ALTER TABLE steps ADD COLUMN locks_ms ${big} NULL DEFAULT 0`,
    ];
    for (const statement of statements) await queryRunner.query(statement);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE steps DROP COLUMN locks_ms`);
    for (const table of ['lock_waits', 'lock_holds', 'locks']) await queryRunner.query(`DROP TABLE ${table}`);
  }
}
