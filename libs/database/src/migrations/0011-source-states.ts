import type { MigrationInterface, QueryRunner } from 'typeorm';
import { dialectTypes } from './types.js';

/** Columns for the state of a change source. */
export class SourceStates0011 implements MigrationInterface {
  name = 'SourceStates1700000000011';

  async up(queryRunner: QueryRunner): Promise<void> {
    const { big, key, text } = dialectTypes(queryRunner);
    for (const column of [`state ${key(16)}`, `state_since_ms ${big}`, `error ${text}`])
      await queryRunner.query(`ALTER TABLE change_sources ADD COLUMN ${column}`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    for (const column of ['error', 'state_since_ms', 'state'])
      await queryRunner.query(`ALTER TABLE change_sources DROP COLUMN ${column}`);
  }
}
