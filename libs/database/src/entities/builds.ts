import { Entity, Index, Unique } from 'typeorm';
import { Big, Blob, Bool, Id, Key, Text, Uuid } from './columns.js';

/** An attempt at a build request. */
@Entity('builds')
@Unique('uuid', ['uuid'])
@Index('builds_number', ['builderId', 'number'], { unique: true })
@Index('builds_builder', ['builderId', 'id'])
@Index('builds_worker', ['workerId', 'id'])
@Index('builds_request', ['requestId', 'id'])
@Index('builds_started', ['startedAtMs', 'id'])
@Index('builds_complete', ['completeAtMs', 'id'])
@Index('builds_results', ['results', 'id'])
@Index('builds_builder_results', ['builderId', 'results', 'id'])
export class BuildEntity {
  @Id() id: number;
  @Uuid() uuid: Buffer;
  /** Counted from 1 for each builder. */
  @Big() number: number;
  @Big() builderId: number;
  @Big() requestId: number;
  @Big() buildsetId: number;
  /** Counted from 1 for each request. */
  @Big() attempt: number;
  @Big() workerId: number;
  @Big() masterId: number;
  /** In ms since 1970. */
  @Big() startedAtMs: number;
  /** In ms since 1970; null while it runs. */
  @Big({ nullable: true }) completeAtMs: number | null;
  /** In Buildbot's numbers; null while it runs. */
  @Big({ nullable: true }) results: number | null;
  @Text() stateString: string;
  /** Time of waiting for locks, in ms. */
  @Big() locksMs: number;
  /** JSON. */
  @Text() properties: string;
  /** Fingerprint of the builder's definition that the build began with; null for a build that cannot be resumed. */
  @Key(64, { nullable: true }) fingerprint: string | null;
}

/** An adoption of a build by another engine. */
@Entity('adoptions')
export class AdoptionEntity {
  @Big({ primary: true }) buildId: number;
  /** Epoch of the claim after the adoption. */
  @Big({ primary: true }) epoch: number;
  @Big() fromMasterId: number;
  @Big() toMasterId: number;
  /** In ms since 1970. */
  @Big() adoptedAtMs: number;
}

@Entity('steps')
@Index('steps_number', ['buildId', 'number'], { unique: true })
export class StepEntity {
  @Id() id: number;
  @Big() buildId: number;
  /** Counted from 0 for each build. The preparing of the worker is −1. */
  @Big() number: number;
  @Key(190) name: string;
  /** In ms since 1970. */
  @Big() startedAtMs: number;
  /** In ms since 1970; null while it runs. */
  @Big({ nullable: true }) completeAtMs: number | null;
  /** In Buildbot's numbers; null while it runs. */
  @Big({ nullable: true }) results: number | null;
  @Text() stateString: string;
  /** JSON: a list of `{ "name": …, "url": … }`. */
  @Text() urls: string;
  @Bool() hidden: boolean;
  /** Whether the step may be replayed half-way at another engine. */
  @Bool({ default: 0 }) resumable: boolean;
  /** Time of waiting for locks, in ms; null while it waits. */
  @Big({ nullable: true, default: 0 }) locksMs: number | null;
  /** JSON: what the steps that it has added to the build are made of, a list of `{ "after": "current" | "last", "data": … }`. */
  @Text({ nullable: true }) added: string | null;
}

/** A command that was sent to a worker. */
@Entity('commands')
export class CommandEntity {
  @Big({ primary: true }) buildId: number;
  @Big({ primary: true }) stepNumber: number;
  /** Counted from 0 for each step. */
  @Big({ primary: true }) ordinal: number;
  @Key(32) name: string;
  /** The worker's id of the command. */
  @Uuid() uuid: Buffer;
  /** sha256 of the arguments, hexadecimal: a replayed step has to send the same. */
  @Key(64) argsHash: string;
  /** In ms since 1970. */
  @Big() sentAtMs: number;
  /** JSON; null for an intent whose end is not known. */
  @Text({ nullable: true }) outcome: string | null;
  /** Whether the worker has reported the command's end. */
  @Bool({ default: 0 }) ended: boolean;
  /** Number of the last update whose lines are stored. */
  @Big({ default: 0 }) updatesStored: number;
  /** Standard output so far, if the step asked for it. */
  @Text({ nullable: true }) captured: string | null;
}

@Entity('logs')
@Index('logs_slug', ['stepId', 'slug'], { unique: true })
@Index('logs_build', ['buildId'])
export class LogEntity {
  @Id() id: number;
  @Big() buildId: number;
  @Big() stepId: number;
  @Key(190) name: string;
  /** The name in addresses. */
  @Key(64) slug: string;
  /** `s` with streams, `t` text, `h` HTML. */
  @Key(1) type: string;
  @Big() numLines: number;
  @Bool() complete: boolean;
}

/** Whole lines of a log. */
@Entity('log_chunks')
export class LogChunkEntity {
  @Big({ primary: true }) logId: number;
  /** Counted from 0. */
  @Big({ primary: true }) firstLine: number;
  @Big() numLines: number;
  /** `raw`, `deflate`. */
  @Key(8) codec: string;
  @Blob() content: Buffer;
}
