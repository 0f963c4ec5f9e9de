import { Entity, Index, Unique } from 'typeorm';
import { Big, Blob, Bool, Id, Key, Text } from './columns.js';

/** A version of the sources. Equal ones are one row. */
@Entity('source_stamps')
@Unique('hash', ['hash'])
export class SourceStampEntity {
  @Id() id: number;
  /** sha256 of the following columns and the patch, hexadecimal. */
  @Key(64) hash: string;
  @Text({ nullable: true }) branch: string | null;
  @Key(190, { nullable: true }) revision: string | null;
  @Text() repository: string;
  @Text() project: string;
  @Text() codebase: string;
  /** In ms since 1970. */
  @Big() createdAtMs: number;
  /** Null when what is built is in the repository. */
  @Big({ nullable: true }) patchId: number | null;
}

/** A change of sources that is in no repository. Equal ones are one row. */
@Entity('patches')
@Unique('hash', ['hash'])
export class PatchEntity {
  @Id() id: number;
  /** sha256 of the following columns, hexadecimal. */
  @Key(64) hash: string;
  @Text() body: string;
  @Big() level: number;
  @Text() author: string;
  @Text() comment: string;
  @Text() subdir: string;
}

@Entity('changes')
@Unique('seq', ['seq'])
@Unique('dedup_hash', ['dedupHash'])
@Index('changes_revision', ['revision'])
@Index('changes_project', ['project', 'id'])
@Index('changes_branch', ['branch', 'id'])
@Index('changes_source_stamp', ['sourceStampId'])
@Index('changes_delivery', ['deliveryId', 'id'])
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
  /** The delivery of a hook that the change came with. */
  @Big({ nullable: true }) deliveryId: number | null;
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

/** What a forge delivered to a hook. Kept before it is read, so that nothing is lost. */
@Entity('hook_deliveries')
@Index('hook_deliveries_key', ['hook', 'deliveryKey'], { unique: true })
@Index('hook_deliveries_state', ['hook', 'state', 'id'])
@Index('hook_deliveries_body', ['bodyUntilMs'])
export class HookDeliveryEntity {
  @Id() id: number;
  /** Name of the hook. */
  @Key(64) hook: string;
  @Key(32) dialect: string;
  /** The forge's id of the delivery. */
  @Key(190) deliveryKey: string;
  /** sha256 of the body, hexadecimal. Another body with the same key is refused. */
  @Key(64) bodyHash: string;
  /** JSON: headers by name, without secrets. */
  @Text() headers: string;
  /** The part of the address behind the question mark. */
  @Text() query: string;
  /** Compressed by gzip; null when it is not kept any more. */
  @Blob({ nullable: true }) body: Buffer | null;
  /** Length of the body before it was compressed. */
  @Big() bodyBytes: number;
  /** How long the body is kept, in ms since 1970; null when it is not kept any more. */
  @Big({ nullable: true }) bodyUntilMs: number | null;
  /** In ms since 1970. */
  @Big() receivedAtMs: number;
  /** `waiting`, `done`, `ignored`, `failed`. */
  @Key(16) state: 'waiting' | 'done' | 'ignored' | 'failed';
  /** Why it was ignored, or could not be read. */
  @Text({ nullable: true }) reason: string | null;
  /** The release and revision that read it last. Another one tries again what could not be read. */
  @Key(190, { nullable: true }) readBy: string | null;
  /** In ms since 1970. */
  @Big({ nullable: true }) readAtMs: number | null;
  /** How often it was read. */
  @Big() attempts: number;
  /** How often its changes were asked for again. */
  @Big() generation: number;
  /** The user and the purpose of the API token that it came with; null for one that came without. */
  @Text({ nullable: true }) deliveredBy: string | null;
}
