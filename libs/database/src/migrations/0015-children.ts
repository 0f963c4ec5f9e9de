import type { MigrationInterface, QueryRunner } from 'typeorm';
import { dialectTypes } from './types.js';

/** An index for the buildsets that a build has triggered. */
export class Children0015 implements MigrationInterface {
  name = 'Children1700000000015';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`CREATE INDEX buildsets_parent ON buildsets (parent_build_id, id)`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    const isSqlite = dialectTypes(queryRunner).end === '';
    await queryRunner.query(`DROP INDEX buildsets_parent${isSqlite ? '' : ' ON buildsets'}`);
  }
}
