import type { MigrationInterface, QueryRunner } from 'typeorm';
import { dialectTypes } from './types.js';

/** The table of what forges deliver, and the delivery that a change came with. */
export class HookDeliveries0013 implements MigrationInterface {
  name = 'HookDeliveries1700000000013';

  async up(queryRunner: QueryRunner): Promise<void> {
    const { id, big, key, text, blob, end } = dialectTypes(queryRunner);
    await queryRunner.query(`CREATE TABLE hook_deliveries (
      id ${id}, hook ${key(64)} NOT NULL, dialect ${key(32)} NOT NULL, delivery_key ${key(190)} NOT NULL, body_hash ${key(64)} NOT NULL,
      headers ${text} NOT NULL, query ${text} NOT NULL, body ${blob}, body_bytes ${big} NOT NULL, body_until_ms ${big},
      received_at_ms ${big} NOT NULL, state ${key(16)} NOT NULL, reason ${text}, read_by ${key(190)}, read_at_ms ${big},
      attempts ${big} NOT NULL, generation ${big} NOT NULL
    )${end}`);
    await queryRunner.query(`CREATE UNIQUE INDEX hook_deliveries_key ON hook_deliveries (hook, delivery_key)`);
    await queryRunner.query(`CREATE INDEX hook_deliveries_state ON hook_deliveries (hook, state, id)`);
    await queryRunner.query(`CREATE INDEX hook_deliveries_body ON hook_deliveries (body_until_ms)`);
    await queryRunner.query(`ALTER TABLE changes ADD COLUMN delivery_id ${big}`);
    await queryRunner.query(`CREATE INDEX changes_delivery ON changes (delivery_id, id)`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    const on = dialectTypes(queryRunner).end === '' ? '' : ' ON changes';
    await queryRunner.query(`DROP INDEX changes_delivery${on}`);
    await queryRunner.query(`ALTER TABLE changes DROP COLUMN delivery_id`);
    await queryRunner.query(`DROP TABLE hook_deliveries`);
  }
}
