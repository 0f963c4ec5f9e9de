import { Entity, Index, Unique } from 'typeorm';
import { Big, Id, Key, Text } from './columns.js';

/** An account of `millrace user`, or of somebody who has signed in by a provider. */
@Entity('users')
@Unique('username', ['username'])
@Unique('users_subject', ['provider', 'subject'])
export class UserEntity {
  @Id() id: number;
  @Key(190) username: string;
  @Key(190, { nullable: true }) fullName: string | null;
  @Key(190, { nullable: true }) email: string | null;
  /** JSON: a list of strings. */
  @Text() groupNames: string;
  /** argon2id, with its salt and parameters. Nobody knows the password of an account that belongs to a provider. */
  @Text() passwordHash: string;
  /** In ms since 1970. */
  @Big() createdAtMs: number;
  /** Name of the provider by which the person signs in; null for an account of `millrace user`. */
  @Key(64, { nullable: true }) provider: string | null;
  /** What the provider calls the person, for ever; null for an account of `millrace user`. */
  @Key(255, { nullable: true }) subject: string | null;
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
  /** How the person signed in: `account`, or the kind of the provider. */
  @Key(16) signedInBy: string;
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
