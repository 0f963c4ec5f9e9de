import { Entity, Index } from 'typeorm';
import { Big, Id, Key, Text } from './columns.js';

/** Something that somebody did, or tried to do. */
@Entity('audit')
@Index('audit_username', ['username', 'id'])
export class AuditEntity {
  @Id() id: number;
  /** In ms since 1970. */
  @Big() atMs: number;
  /** Null for a stranger. */
  @Key(190, { nullable: true }) username: string | null;
  /** `session`, `token`, `cli`; `none` for a stranger. */
  @Key(16) via: 'session' | 'token' | 'cli' | 'none';
  @Big({ nullable: true }) tokenId: number | null;
  @Key(64) address: string;
  /** Name of the command, such as `stop`. */
  @Key(64) action: string;
  /** Path of the resource, such as `builds/42`. */
  @Key(190) target: string;
  /** JSON: the parameters, cut short. */
  @Text() params: string;
  /** `begun` when its end was not recorded. */
  @Key(16) outcome: 'begun' | 'done' | 'failed' | 'refused';
  /** Why it failed or was refused. */
  @Text({ nullable: true }) error: string | null;
}
