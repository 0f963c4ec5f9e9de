import type { MigrationInterface, QueryRunner } from 'typeorm';
import { dialectTypes } from './types.js';

/** The steps that a step has added to its build. */
export class AddedSteps0031 implements MigrationInterface {
  name = 'AddedSteps1700000000031';

  async up(queryRunner: QueryRunner): Promise<void> {
    const { text } = dialectTypes(queryRunner);
    await queryRunner.query(`ALTER TABLE steps ADD COLUMN added ${text} NULL`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE steps DROP COLUMN added`);
  }
}
