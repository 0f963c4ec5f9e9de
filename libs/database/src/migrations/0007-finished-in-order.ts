import type { MigrationInterface, QueryRunner } from 'typeorm';
import { dialectTypes } from './types.js';

/** Columns and tables for schedulers: finished buildsets in order, when to wake up, and which masters have them in their configuration. */
export class FinishedInOrder0007 implements MigrationInterface {
  name = 'FinishedInOrder1700000000007';

  async up(queryRunner: QueryRunner): Promise<void> {
    const { big, end } = dialectTypes(queryRunner);
    const ranked = `SELECT id, ROW_NUMBER() OVER (ORDER BY complete_at_ms, id) AS n FROM buildsets WHERE complete_at_ms IS NOT NULL`;
    const statements = [
      `ALTER TABLE buildsets ADD COLUMN seq ${big}`,
      end === ''
        ? `WITH ranked AS MATERIALIZED (${ranked}) UPDATE buildsets SET seq = ranked.n FROM ranked WHERE ranked.id = buildsets.id`
        : `UPDATE buildsets b JOIN (${ranked}) ranked ON ranked.id = b.id SET b.seq = ranked.n`,
      // Includes the time, because buildsets finished by masters of the previous release have no number and are searched for by time.
      `CREATE INDEX buildsets_seq ON buildsets (seq, complete_at_ms)`,
      `INSERT INTO counters (name, value) SELECT 'buildset-seq', COALESCE(MAX(seq), 0) FROM buildsets`,
      `ALTER TABLE schedulers ADD COLUMN buildset_cursor_seq ${big} NOT NULL DEFAULT 0`,
      `UPDATE schedulers SET buildset_cursor_seq = (SELECT value FROM counters WHERE name = 'buildset-seq')`,
      `ALTER TABLE schedulers ADD COLUMN wake_at_ms ${big}`,
      `ALTER TABLE schedulers ADD COLUMN backlog_seq ${big}`,
      `ALTER TABLE schedulers ADD COLUMN backlog_count ${big}`,
      `CREATE TABLE scheduler_masters (
        scheduler_id ${big} NOT NULL, master_id ${big} NOT NULL, PRIMARY KEY (scheduler_id, master_id))${end}`,
      `CREATE INDEX scheduler_masters_master ON scheduler_masters (master_id)`,
      // Which master has which scheduler is unknown. Each master records it when it next reads its configuration.
      `INSERT INTO scheduler_masters (scheduler_id, master_id)
       SELECT s.id, m.id FROM schedulers s, masters m WHERE m.role = 'scheduler'`,
    ];
    for (const statement of statements) await queryRunner.query(statement);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    const isSqlite = dialectTypes(queryRunner).end === '';
    await queryRunner.query(`DROP TABLE scheduler_masters`);
    await queryRunner.query(`DELETE FROM counters WHERE name = 'buildset-seq'`);
    await queryRunner.query(`DROP INDEX buildsets_seq${isSqlite ? '' : ' ON buildsets'}`);
    await queryRunner.query(`ALTER TABLE buildsets DROP COLUMN seq`);
    for (const column of ['backlog_count', 'backlog_seq', 'wake_at_ms', 'buildset_cursor_seq'])
      await queryRunner.query(`ALTER TABLE schedulers DROP COLUMN ${column}`);
  }
}
