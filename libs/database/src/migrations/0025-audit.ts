import type { MigrationInterface, QueryRunner } from 'typeorm';
import { dialectTypes } from './types.js';

/** Who did what. */
export class Audit0025 implements MigrationInterface {
  name = 'Audit1700000000025';

  async up(queryRunner: QueryRunner): Promise<void> {
    const { id, big, key, text, end } = dialectTypes(queryRunner);
    await queryRunner.query(`CREATE TABLE audit (
      id ${id}, at_ms ${big} NOT NULL, username ${key(190)} NULL, via ${key(16)} NOT NULL, token_id ${big} NULL,
      address ${key(64)} NOT NULL, action ${key(64)} NOT NULL, target ${key(190)} NOT NULL, params ${text} NOT NULL,
      outcome ${key(16)} NOT NULL, error ${text} NULL)${end}`);
    await queryRunner.query(`CREATE INDEX audit_username ON audit (username, id)`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE audit`);
  }
}
