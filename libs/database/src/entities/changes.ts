import { Entity, Index, Unique } from 'typeorm';
import { Big, Bool, Id, Key, Text } from './columns.js';

/** A version of the sources. Equal ones are one row. */
@Entity('source_stamps')
@Unique('hash', ['hash'])
export class SourceStampEntity {
  @Id() id: number;
  /** sha256 of the following columns, hexadecimal. */
  @Key(64) hash: string;
  @Text({ nullable: true }) branch: string | null;
  @Key(190, { nullable: true }) revision: string | null;
  @Text() repository: string;
  @Text() project: string;
  @Text() codebase: string;
  /** In ms since 1970. */
  @Big() createdAtMs: number;
}

@Entity('changes')
@Unique('seq', ['seq'])
@Unique('dedup_hash', ['dedupHash'])
@Index('changes_revision', ['revision'])
@Index('changes_project', ['project', 'id'])
@Index('changes_branch', ['branch', 'id'])
@Index('changes_source_stamp', ['sourceStampId'])
export class ChangeEntity {
  @Id() id: number;
  /** Increases in the order in which changes become visible, which ids do not. */
  @Big() seq: number;
  /** sha256 of the key by which a repeated delivery of the change is recognised, hexadecimal. */
  @Key(64) dedupHash: string;
  @Text() author: string;
  @Text({ nullable: true }) committer: string | null;
  @Text() comments: string;
  @Key(190, { nullable: true }) branch: string | null;
  @Key(190, { nullable: true }) revision: string | null;
  @Text() revlink: string;
  @Key(190, { nullable: true }) category: string | null;
  @Text() repository: string;
  @Key(190) project: string;
  @Key(190) codebase: string;
  /** When the change was made, in ms since 1970 by its author's clock. */
  @Big() whenMs: number;
  /** In ms since 1970. */
  @Big() receivedAtMs: number;
  /** JSON: a list of paths. */
  @Text() files: string;
  /** JSON. */
  @Text() properties: string;
  @Big() sourceStampId: number;
}

/** A scheduler's decision about a change. */
@Entity('scheduler_changes')
@Index('scheduler_changes_waiting', ['schedulerId', 'decision', 'changeId'])
export class SchedulerChangeEntity {
  @Big({ primary: true }) schedulerId: number;
  @Big({ primary: true }) changeId: number;
  /** `built`, `waiting`, `ignored`, `failed`. */
  @Key(16) decision: string;
  @Bool() important: boolean;
  @Text({ nullable: true }) reason: string | null;
  /** In ms since 1970. */
  @Big() decidedAtMs: number;
  /** The buildset that was made for the change. */
  @Big({ nullable: true }) buildsetId: number | null;
}

/** The answer to a delivery from outside. It is repeated when the delivery is. */
@Entity('deliveries')
export class DeliveryEntity {
  /** `trigger`. */
  @Key(64, { primary: true }) scope: string;
  /** The sender's `Idempotency-Key`. */
  @Key(190, { primary: true }) deliveryKey: string;
  /** sha256 of the body, hexadecimal. Another body with the same key is refused. */
  @Key(64) bodyHash: string;
  /** JSON. */
  @Text() answer: string;
  /** In ms since 1970. */
  @Big() createdAtMs: number;
}
