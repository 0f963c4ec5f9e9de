import type { MigrationInterface, QueryRunner } from 'typeorm';
import { dialectTypes } from './types.js';

/** The numbers of the results `retry` and `cancelled`. */
const CUT_OFF = '5, 6';

/**
 * Records whether a worker has reported a command's end. For existing rows it is filled in only for builds that run or were cut off,
 * because commands of other builds cannot have been left running.
 */
export class EndedCommands0008 implements MigrationInterface {
  name = 'EndedCommands1700000000008';

  async up(queryRunner: QueryRunner): Promise<void> {
    const { bool } = dialectTypes(queryRunner);
    await queryRunner.query(`ALTER TABLE commands ADD COLUMN ended ${bool} NOT NULL DEFAULT 0`);
    await queryRunner.query(
      `UPDATE commands SET ended = 1 WHERE outcome NOT LIKE '{"rc":null,%'
         AND build_id IN (SELECT id FROM builds WHERE results IS NULL OR results IN (${CUT_OFF}))`,
    );
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE commands DROP COLUMN ended`);
  }
}
