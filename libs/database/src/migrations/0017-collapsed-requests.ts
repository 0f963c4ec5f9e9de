import type { MigrationInterface, QueryRunner } from 'typeorm';
import { dialectTypes } from './types.js';

/** What is needed to collapse build requests. */
export class CollapsedRequests0017 implements MigrationInterface {
  name = 'CollapsedRequests1700000000017';

  async up(queryRunner: QueryRunner): Promise<void> {
    const { big, key, end } = dialectTypes(queryRunner);
    const statements = [
      `ALTER TABLE builders ADD COLUMN collapse ${key(8)}`,
      `ALTER TABLE queue ADD COLUMN collapse_key ${key(64)}`,
      `CREATE INDEX queue_collapse ON queue (collapse_key, builder_id)`,
      `CREATE TABLE collapsed_requests (request_id ${big} NOT NULL PRIMARY KEY, into_request_id ${big} NOT NULL)${end}`,
      `CREATE INDEX collapsed_requests_into ON collapsed_requests (into_request_id, request_id)`,
    ];
    for (const statement of statements) await queryRunner.query(statement);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    const isSqlite = dialectTypes(queryRunner).end === '';
    await queryRunner.query(`DROP TABLE collapsed_requests`);
    await queryRunner.query(`DROP INDEX queue_collapse${isSqlite ? '' : ' ON queue'}`);
    await queryRunner.query(`ALTER TABLE queue DROP COLUMN collapse_key`);
    await queryRunner.query(`ALTER TABLE builders DROP COLUMN collapse`);
  }
}
