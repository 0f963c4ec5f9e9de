import type { MigrationInterface, QueryRunner } from 'typeorm';
import { dialectTypes } from './types.js';

/** Who sees a project. */
export class Visibility0026 implements MigrationInterface {
  name = 'Visibility1700000000026';

  async up(queryRunner: QueryRunner): Promise<void> {
    const { text } = dialectTypes(queryRunner);
    await queryRunner.query(`ALTER TABLE projects ADD COLUMN visible_to ${text} NULL`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE projects DROP COLUMN visible_to`);
  }
}
