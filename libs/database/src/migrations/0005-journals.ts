import type { MigrationInterface, QueryRunner } from 'typeorm';
import { dialectTypes } from './types.js';

/** Records which group of its journal a master wrote last, because the answer to a commit may be lost with the connection. */
export class Journals0005 implements MigrationInterface {
  name = 'Journals1700000000005';

  async up(queryRunner: QueryRunner): Promise<void> {
    const { big, end } = dialectTypes(queryRunner);
    await queryRunner.query(
      `CREATE TABLE journals (master_id ${big} NOT NULL PRIMARY KEY, master_epoch ${big} NOT NULL, group_number ${big} NOT NULL)${end}`,
    );
    await queryRunner.query(
      `INSERT INTO journals (master_id, master_epoch, group_number) SELECT id, 0, 0 FROM masters`,
    );
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE journals`);
  }
}
