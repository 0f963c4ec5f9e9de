import type { MigrationInterface, QueryRunner } from 'typeorm';
import { dialectTypes } from './types.js';

/** With whose token something was delivered to a hook. */
export class DeliveredBy0022 implements MigrationInterface {
  name = 'DeliveredBy1700000000022';

  async up(queryRunner: QueryRunner): Promise<void> {
    const { text } = dialectTypes(queryRunner);
    await queryRunner.query(`ALTER TABLE hook_deliveries ADD COLUMN delivered_by ${text} NULL`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE hook_deliveries DROP COLUMN delivered_by`);
  }
}
