import type { MigrationInterface, QueryRunner } from 'typeorm';
import { dialectTypes } from './types.js';

/** Earlier revisions in place of what the configuration file says. */
export class Reverts0021 implements MigrationInterface {
  name = 'Reverts1700000000021';

  async up(queryRunner: QueryRunner): Promise<void> {
    const { big, key, text, end } = dialectTypes(queryRunner);
    await queryRunner.query(`CREATE TABLE reverts (
      instead_of ${key(64)} NOT NULL PRIMARY KEY, fingerprint ${key(64)} NOT NULL, made_by ${text} NOT NULL,
      made_at_ms ${big} NOT NULL)${end}`);
    await queryRunner.query(`ALTER TABLE masters ADD COLUMN file_fingerprint ${key(64)} NULL`);
    await queryRunner.query(`ALTER TABLE masters ADD COLUMN missing ${text} NULL`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE masters DROP COLUMN missing`);
    await queryRunner.query(`ALTER TABLE masters DROP COLUMN file_fingerprint`);
    await queryRunner.query(`DROP TABLE reverts`);
  }
}
