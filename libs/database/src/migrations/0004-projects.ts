import type { MigrationInterface, QueryRunner } from 'typeorm';

/** An index that finds the builders of a project without reading all builders. */
export class Projects0004 implements MigrationInterface {
  name = 'Projects1700000000004';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`CREATE INDEX builders_project ON builders (project_id)`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    const isSqlite = queryRunner.dataSource.options.type === 'better-sqlite3';
    await queryRunner.query(`DROP INDEX builders_project${isSqlite ? '' : ' ON builders'}`);
  }
}
