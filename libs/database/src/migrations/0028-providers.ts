import type { MigrationInterface, QueryRunner } from 'typeorm';
import { dialectTypes } from './types.js';

/** Accounts of people who sign in by a provider. */
export class Providers0028 implements MigrationInterface {
  name = 'Providers1700000000028';

  async up(queryRunner: QueryRunner): Promise<void> {
    const { key } = dialectTypes(queryRunner);
    await queryRunner.query(`ALTER TABLE users ADD COLUMN provider ${key(64)} NULL`);
    await queryRunner.query(`ALTER TABLE users ADD COLUMN subject ${key(255)} NULL`);
    await queryRunner.query(`CREATE UNIQUE INDEX users_subject ON users (provider, subject)`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    const isSqlite = queryRunner.dataSource.options.type === 'better-sqlite3';
    await queryRunner.query(`DROP INDEX users_subject${isSqlite ? '' : ' ON users'}`);
    await queryRunner.query(`ALTER TABLE users DROP COLUMN subject`);
    await queryRunner.query(`ALTER TABLE users DROP COLUMN provider`);
  }
}
