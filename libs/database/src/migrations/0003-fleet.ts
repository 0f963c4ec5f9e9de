import type { MigrationInterface, QueryRunner } from 'typeorm';
import { dialectTypes } from './types.js';

/** Columns and tables for managing a fleet of workers: where each one is, what holds it back, and the tokens it may log in with. */
export class Fleet0003 implements MigrationInterface {
  name = 'Fleet1700000000003';

  async up(queryRunner: QueryRunner): Promise<void> {
    const { id, big, key, text, end } = dialectTypes(queryRunner);
    const columns = [
      `created_at_ms ${big}`,
      `connected_since_ms ${big}`,
      `protocol ${key(16)}`,
      `address ${key(64)}`,
      // Why the worker is to be shut down (graceful) or was killed.
      `shutdown_reason ${text}`,
      // The session that is to be ended at once.
      `kill_epoch ${big}`,
      `missing_timeout_ms ${big}`,
      // When the alarm was raised; null when there is none.
      `missing_at_ms ${big}`,
      // Failures in a row, of attaching or of builds that were lost at once.
      `failures ${big} NOT NULL DEFAULT 0`,
      `failed_at_ms ${big}`,
      `quarantined_until_ms ${big}`,
      `quarantine_reason ${text}`,
    ];
    const statements = [
      ...columns.map((column) => `ALTER TABLE workers ADD COLUMN ${column}`),
      `CREATE INDEX workers_master ON workers (master_id, master_epoch)`,
      `CREATE TABLE worker_tokens (
        id ${id}, worker_name ${key(190)} NOT NULL, token_hash ${key(64)} NOT NULL UNIQUE, pb_digest ${key(32)},
        created_at_ms ${big} NOT NULL, last_used_at_ms ${big}, revoked_at_ms ${big})${end}`,
      `CREATE INDEX worker_tokens_name ON worker_tokens (worker_name)`,
      `INSERT INTO counters (name, value) VALUES ('worker-tokens', 0)`,
    ];
    for (const statement of statements) await queryRunner.query(statement);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    const { end } = dialectTypes(queryRunner);
    await queryRunner.query(`DELETE FROM counters WHERE name = 'worker-tokens'`);
    await queryRunner.query(`DROP TABLE worker_tokens`);
    await queryRunner.query(`DROP INDEX workers_master${end === '' ? '' : ' ON workers'}`);
    const columns =
      'created_at_ms connected_since_ms protocol address shutdown_reason kill_epoch missing_timeout_ms missing_at_ms failures failed_at_ms quarantined_until_ms quarantine_reason';
    for (const column of columns.split(' ')) await queryRunner.query(`ALTER TABLE workers DROP COLUMN ${column}`);
  }
}
