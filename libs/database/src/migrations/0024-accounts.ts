import type { MigrationInterface, QueryRunner } from 'typeorm';
import { dialectTypes } from './types.js';

/** Accounts, who is signed in, and tokens of scripts. */
export class Accounts0024 implements MigrationInterface {
  name = 'Accounts1700000000024';

  async up(queryRunner: QueryRunner): Promise<void> {
    const { id, big, key, text, end } = dialectTypes(queryRunner);
    const statements = [
      `CREATE TABLE users (
        id ${id}, username ${key(190)} NOT NULL, full_name ${key(190)} NULL, email ${key(190)} NULL, group_names ${text} NOT NULL,
        password_hash ${text} NOT NULL, created_at_ms ${big} NOT NULL, UNIQUE (username))${end}`,
      `CREATE TABLE sessions (
        id ${id}, token_hash ${key(64)} NOT NULL, username ${key(190)} NOT NULL, full_name ${key(190)} NULL, email ${key(190)} NULL,
        group_names ${text} NOT NULL, signed_in_by ${key(16)} NOT NULL, address ${key(64)} NOT NULL,
        created_at_ms ${big} NOT NULL, last_seen_at_ms ${big} NOT NULL, expires_at_ms ${big} NOT NULL,
        UNIQUE (token_hash))${end}`,
      `CREATE INDEX sessions_username ON sessions (username)`,
      `CREATE INDEX sessions_expiry ON sessions (expires_at_ms)`,
      `CREATE TABLE api_tokens (
        id ${id}, username ${key(190)} NOT NULL, purpose ${key(190)} NOT NULL, token_hash ${key(64)} NOT NULL, scopes ${text} NOT NULL,
        created_at_ms ${big} NOT NULL, expires_at_ms ${big} NULL, last_used_at_ms ${big} NULL, revoked_at_ms ${big} NULL,
        UNIQUE (token_hash))${end}`,
      `CREATE INDEX api_tokens_username ON api_tokens (username)`,
    ];
    for (const statement of statements) await queryRunner.query(statement);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    for (const table of ['api_tokens', 'sessions', 'users']) await queryRunner.query(`DROP TABLE ${table}`);
  }
}
