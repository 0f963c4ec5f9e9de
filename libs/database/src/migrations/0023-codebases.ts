import type { MigrationInterface, QueryRunner } from 'typeorm';
import { dialectTypes } from './types.js';

/** Codebases of projects, with their branches and commits. */
export class Codebases0023 implements MigrationInterface {
  name = 'Codebases1700000000023';

  async up(queryRunner: QueryRunner): Promise<void> {
    const { id, big, key, text, end } = dialectTypes(queryRunner);
    const statements = [
      `CREATE TABLE codebases (
        id ${id}, project_id ${big} NOT NULL, name ${key(190)} NOT NULL, slug ${key(190)} NOT NULL)${end}`,
      `CREATE UNIQUE INDEX codebases_name ON codebases (project_id, name)`,
      `CREATE TABLE codebase_branches (
        id ${id}, codebase_id ${big} NOT NULL, name ${key(190)} NOT NULL, commit_id ${big} NOT NULL,
        moved_at_ms ${big} NOT NULL)${end}`,
      `CREATE UNIQUE INDEX codebase_branches_name ON codebase_branches (codebase_id, name)`,
      `CREATE INDEX codebase_branches_codebase ON codebase_branches (codebase_id, id)`,
      `CREATE TABLE codebase_commits (
        id ${id}, codebase_id ${big} NOT NULL, revision ${key(190)} NOT NULL, parent_revision ${key(190)} NULL,
        author ${text} NOT NULL, committer ${text} NULL, comments ${text} NOT NULL, when_ms ${big} NOT NULL)${end}`,
      `CREATE UNIQUE INDEX codebase_commits_revision ON codebase_commits (codebase_id, revision)`,
      `CREATE INDEX codebase_commits_codebase ON codebase_commits (codebase_id, id)`,
    ];
    for (const statement of statements) await queryRunner.query(statement);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    for (const table of ['codebase_commits', 'codebase_branches', 'codebases'])
      await queryRunner.query(`DROP TABLE ${table}`);
  }
}
