import type { MigrationInterface, QueryRunner } from 'typeorm';
import { dialectTypes } from './types.js';

/** What steps record beside their logs: data of builds, and results of tests. */
export class Records0036 implements MigrationInterface {
  name = 'Records1700000000036';

  async up(queryRunner: QueryRunner): Promise<void> {
    const { id, big, bool, key, text, blob, end } = dialectTypes(queryRunner);
    const statements = [
      `CREATE TABLE build_data (
        build_id ${big} NOT NULL, name ${key(190)} NOT NULL, source ${key(190)} NOT NULL, value ${blob} NOT NULL,
        PRIMARY KEY (build_id, name))${end}`,
      `CREATE TABLE test_result_sets (
        id ${id}, builder_id ${big} NOT NULL, build_id ${big} NOT NULL, step_id ${big} NOT NULL, ordinal ${big} NOT NULL,
        description ${text} NULL, category ${key(32)} NOT NULL, value_unit ${key(32)} NOT NULL, num_results ${big} NOT NULL,
        tests_passed ${big} NULL, tests_failed ${big} NULL, complete ${bool} NOT NULL)${end}`,
      `CREATE UNIQUE INDEX test_result_sets_step ON test_result_sets (step_id, ordinal)`,
      `CREATE INDEX test_result_sets_build ON test_result_sets (build_id, id)`,
      `CREATE INDEX test_result_sets_builder ON test_result_sets (builder_id, id)`,
      `CREATE TABLE test_results (
        id ${id}, set_id ${big} NOT NULL, name ${text} NULL, code_path ${text} NULL, line ${big} NULL,
        duration_ns ${big} NULL, value ${text} NOT NULL, message ${text} NULL)${end}`,
      `CREATE INDEX test_results_set ON test_results (set_id, id)`,
    ];
    for (const statement of statements) await queryRunner.query(statement);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    for (const table of ['test_results', 'test_result_sets', 'build_data'])
      await queryRunner.query(`DROP TABLE ${table}`);
  }
}
