import type { MigrationInterface, QueryRunner } from 'typeorm';
import { dialectTypes } from './types.js';

/** Patches of source stamps. */
export class Patches0040 implements MigrationInterface {
  name = 'Patches1700000000040';

  async up(queryRunner: QueryRunner): Promise<void> {
    const { id, big, key, text, end } = dialectTypes(queryRunner);
    await queryRunner.query(`CREATE TABLE patches (
      id ${id}, hash ${key(64)} NOT NULL UNIQUE, body ${text} NOT NULL, level ${big} NOT NULL, author ${text} NOT NULL,
      comment ${text} NOT NULL, subdir ${text} NOT NULL)${end}`);
    await queryRunner.query(`ALTER TABLE source_stamps ADD COLUMN patch_id ${big}`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE source_stamps DROP COLUMN patch_id`);
    await queryRunner.query(`DROP TABLE patches`);
  }
}
