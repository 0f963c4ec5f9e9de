import type { MigrationInterface, QueryRunner } from 'typeorm';
import { dialectTypes } from './types.js';

/** How much a revision differs from the one before it. */
export class ChangedRevisions0032 implements MigrationInterface {
  name = 'ChangedRevisions1700000000032';

  async up(queryRunner: QueryRunner): Promise<void> {
    const { text } = dialectTypes(queryRunner);
    await queryRunner.query(`ALTER TABLE revisions ADD COLUMN changed ${text} NULL`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE revisions DROP COLUMN changed`);
  }
}
