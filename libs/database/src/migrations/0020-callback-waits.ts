import type { MigrationInterface, QueryRunner } from 'typeorm';
import { dialectTypes } from './types.js';

/** What callbacks say about a builder's next request. */
export class CallbackWaits0020 implements MigrationInterface {
  name = 'CallbackWaits1700000000020';

  async up(queryRunner: QueryRunner): Promise<void> {
    const { big, key, text, end } = dialectTypes(queryRunner);
    await queryRunner.query(`CREATE TABLE callback_waits (
      builder_id ${big} NOT NULL, master_id ${big} NOT NULL, callback ${key(32)} NOT NULL, text ${text} NOT NULL,
      asked_at_ms ${big} NOT NULL, PRIMARY KEY (builder_id, master_id))${end}`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE callback_waits`);
  }
}
