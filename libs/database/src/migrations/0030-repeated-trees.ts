import type { MigrationInterface, QueryRunner } from 'typeorm';
import { dialectTypes } from './types.js';

/** Which build a request repeats without the good ones among what that triggered. */
export class RepeatedTrees0030 implements MigrationInterface {
  name = 'RepeatedTrees1700000000030';

  async up(queryRunner: QueryRunner): Promise<void> {
    const { big } = dialectTypes(queryRunner);
    await queryRunner.query(`ALTER TABLE build_requests ADD COLUMN repeats_build_id ${big} NULL`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE build_requests DROP COLUMN repeats_build_id`);
  }
}
