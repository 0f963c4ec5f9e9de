import { Entity, Index, Unique } from 'typeorm';
import { Big, Id, Key, Text } from './columns.js';

/** An account of `millrace user`. */
@Entity('users')
@Unique('username', ['username'])
export class UserEntity {
  @Id() id: number;
  @Key(190) username: string;
  @Key(190, { nullable: true }) fullName: string | null;
  @Key(190, { nullable: true }) email: string | null;
  /** JSON: a list of strings. */
  @Text() groupNames: string;
  /** argon2id, with its salt and parameters. */
  @Text() passwordHash: string;
  /** In ms since 1970. */
  @Big() createdAtMs: number;
}

/** Somebody who is signed in. */
@Entity('sessions')
@Unique('token_hash', ['tokenHash'])
@Index('sessions_username', ['username'])
@Index('sessions_expiry', ['expiresAtMs'])
export class SessionEntity {
  @Id() id: number;
  /** sha256 of what the cookie holds, hexadecimal. */
  @Key(64) tokenHash: string;
  @Key(190) username: string;
  @Key(190, { nullable: true }) fullName: string | null;
  @Key(190, { nullable: true }) email: string | null;
  /** JSON: a list of strings. */
  @Text() groupNames: string;
  /** How the person signed in: `account`. */
  @Key(16) signedInBy: 'account';
  @Key(64) address: string;
  /** In ms since 1970. */
  @Big() createdAtMs: number;
  /** In ms since 1970; behind by a minute at most. */
  @Big() lastSeenAtMs: number;
  /** When it ends in any case, in ms since 1970. */
  @Big() expiresAtMs: number;
}

/** A token for scripts, which acts for a user. Revoked ones are kept. */
@Entity('api_tokens')
@Unique('token_hash', ['tokenHash'])
@Index('api_tokens_username', ['username'])
export class ApiTokenEntity {
  @Id() id: number;
  @Key(190) username: string;
  /** What it is for, in the words of whoever made it. */
  @Key(190) purpose: string;
  /** sha256, hexadecimal. */
  @Key(64) tokenHash: string;
  /** JSON: a list of actions that it may be used for. */
  @Text() scopes: string;
  /** In ms since 1970. */
  @Big() createdAtMs: number;
  /** In ms since 1970; null for never. */
  @Big({ nullable: true }) expiresAtMs: number | null;
  /** In ms since 1970; behind by a minute at most. */
  @Big({ nullable: true }) lastUsedAtMs: number | null;
  /** In ms since 1970; null while valid. */
  @Big({ nullable: true }) revokedAtMs: number | null;
}
