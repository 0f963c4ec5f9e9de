import type { MigrationInterface, QueryRunner } from 'typeorm';
import { dialectTypes } from './types.js';

/** Calls of schedulers that build later. */
export class KeptCalls0014 implements MigrationInterface {
  name = 'KeptCalls1700000000014';

  async up(queryRunner: QueryRunner): Promise<void> {
    const { big, key, text, end } = dialectTypes(queryRunner);
    await queryRunner.query(`CREATE TABLE kept_calls (
      scheduler_id ${big} NOT NULL PRIMARY KEY, call_id ${key(64)} NOT NULL, body ${text} NOT NULL,
      called_at_ms ${big} NOT NULL)${end}`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE kept_calls`);
  }
}
