import type { MigrationInterface, QueryRunner } from 'typeorm';
import { dialectTypes } from './types.js';

/** Columns with names that people gave, in tables that do not grow with history. */
const NAMES = [
  ['masters', 'name'],
  ['ownerships', 'name'],
  ['projects', 'name'],
  ['builders', 'name'],
  ['schedulers', 'name'],
  ['change_sources', 'name'],
  ['object_state', 'owner'],
  ['object_state', 'name'],
  ['workers', 'name'],
  ['worker_tokens', 'worker_name'],
] as const;

/** Makes spaces at the end of a name count: `utf8mb4_bin` treats them as padding. SQLite has always compared names completely. */
export class NamesAsTheyAre0012 implements MigrationInterface {
  name = 'NamesAsTheyAre1700000000012';

  async up(queryRunner: QueryRunner): Promise<void> {
    if (dialectTypes(queryRunner).end === '') return;
    const rows = (await queryRunner.query(`SELECT VERSION() AS version`)) as { version: string }[];
    await collate(queryRunner, /mariadb/i.test(rows[0]!.version) ? 'utf8mb4_nopad_bin' : 'utf8mb4_0900_bin');
  }

  /** Fails when names have been given since that differ only in their last spaces. */
  async down(queryRunner: QueryRunner): Promise<void> {
    if (dialectTypes(queryRunner).end !== '') await collate(queryRunner, 'utf8mb4_bin');
  }
}

async function collate(queryRunner: QueryRunner, collation: string): Promise<void> {
  for (const [table, column] of NAMES) {
    await queryRunner.query(
      `ALTER TABLE ${table} MODIFY ${column} VARCHAR(190) CHARACTER SET utf8mb4 COLLATE ${collation} NOT NULL`,
    );
  }
}
