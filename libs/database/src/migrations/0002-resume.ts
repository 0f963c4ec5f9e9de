import type { MigrationInterface, QueryRunner } from 'typeorm';
import { dialectTypes } from './types.js';

/** Columns and tables for builds that go on at another engine. */
export class Resume0002 implements MigrationInterface {
  name = 'Resume1700000000002';

  async up(queryRunner: QueryRunner): Promise<void> {
    const { big, bool, key, text, end } = dialectTypes(queryRunner);
    const statements = [
      // Counts claims and adoptions. An epoch is never used twice for a request.
      `ALTER TABLE build_requests ADD COLUMN epoch ${big} NOT NULL DEFAULT 0`,
      `UPDATE build_requests SET epoch = attempts`,
      // When the build lost its worker and nobody worked on it any more.
      `ALTER TABLE claims ADD COLUMN parked_at_ms ${big}`,
      `ALTER TABLE builds ADD COLUMN fingerprint ${key(64)}`,
      `ALTER TABLE steps ADD COLUMN resumable ${bool} NOT NULL DEFAULT 0`,
      `ALTER TABLE commands ADD COLUMN updates_stored ${big} NOT NULL DEFAULT 0`,
      `ALTER TABLE commands ADD COLUMN captured ${text}`,
      `ALTER TABLE workers ADD COLUMN resumes ${bool} NOT NULL DEFAULT 0`,
      `CREATE TABLE adoptions (
        build_id ${big} NOT NULL, epoch ${big} NOT NULL, from_master_id ${big} NOT NULL, to_master_id ${big} NOT NULL,
        adopted_at_ms ${big} NOT NULL, PRIMARY KEY (build_id, epoch))${end}`,
    ];
    for (const statement of statements) await queryRunner.query(statement);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE adoptions`);
    const columns = { workers: ['resumes'], commands: ['captured', 'updates_stored'], steps: ['resumable'] };
    const others = { builds: ['fingerprint'], claims: ['parked_at_ms'], build_requests: ['epoch'] };
    for (const [table, names] of Object.entries({ ...columns, ...others }))
      for (const name of names) await queryRunner.query(`ALTER TABLE ${table} DROP COLUMN ${name}`);
  }
}
