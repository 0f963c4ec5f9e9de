import type { MigrationInterface, QueryRunner } from 'typeorm';
import { dialectTypes } from './types.js';

/** Requests about which a callback is asked whether older ones are collapsed into them. */
export class CollapseQuestions0018 implements MigrationInterface {
  name = 'CollapseQuestions1700000000018';

  async up(queryRunner: QueryRunner): Promise<void> {
    const { big, text, end } = dialectTypes(queryRunner);
    await queryRunner.query(
      `CREATE TABLE collapse_questions (request_id ${big} NOT NULL PRIMARY KEY, failed_at_ms ${big}, failure ${text})${end}`,
    );
    await queryRunner.query(`CREATE INDEX collapse_questions_open ON collapse_questions (failed_at_ms, request_id)`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE collapse_questions`);
  }
}
