import { Entity, Index, Unique } from 'typeorm';
import { Big, Bool, Id, Key, Name, Text } from './columns.js';

/** A worker by its name, with its current or last session. */
@Entity('workers')
@Unique('name', ['name'])
@Index('workers_master', ['masterId', 'masterEpoch'])
export class WorkerEntity {
  @Id() id: number;
  @Name() name: string;
  /** JSON: the worker's information about itself and its host. */
  @Text() info: string;
  /** Most builds at once, on all engines together. */
  @Big() maxBuilds: number;
  @Bool() paused: boolean;
  @Text({ nullable: true }) pauseReason: string | null;
  /** Whether the worker is to be shut down when it is idle. */
  @Bool() graceful: boolean;
  /** Increases with each session. Only the newest one counts. */
  @Big() sessionEpoch: number;
  /** The engine that has its session; null while not connected. */
  @Big({ nullable: true }) masterId: number | null;
  @Big({ nullable: true }) masterEpoch: number | null;
  /** In ms since 1970. */
  @Big({ nullable: true }) lastSeenAtMs: number | null;
  /** Whether the worker goes on with its commands while it has no engine. */
  @Bool({ default: 0 }) resumes: boolean;
  /** When it was first configured, in ms since 1970. */
  @Big({ nullable: true }) createdAtMs: number | null;
  /** In ms since 1970; null while not connected. */
  @Big({ nullable: true }) connectedSinceMs: number | null;
  /** `msgpack`, `pb`. */
  @Key(16, { nullable: true }) protocol: string | null;
  @Key(64, { nullable: true }) address: string | null;
  /** Why the worker is to be shut down or was killed. */
  @Text({ nullable: true }) shutdownReason: string | null;
  /** The session that is to be ended at once. */
  @Big({ nullable: true }) killEpoch: number | null;
  /** Time of absence in ms after which an alarm is raised; null for never. */
  @Big({ nullable: true }) missingTimeoutMs: number | null;
  /** When the alarm was raised, in ms since 1970; null when there is none. */
  @Big({ nullable: true }) missingAtMs: number | null;
  /** Failures in a row: of attaching the worker, or builds that were lost at once. */
  @Big({ default: 0 }) failures: number;
  /** When the last of these failures was, in ms since 1970. */
  @Big({ nullable: true }) failedAtMs: number | null;
  /** End of the quarantine, in ms since 1970. */
  @Big({ nullable: true }) quarantinedUntilMs: number | null;
  @Text({ nullable: true }) quarantineReason: string | null;
}

/** The builders that a worker builds, according to each engine's configuration. */
@Entity('worker_builders')
@Index('worker_builders_master', ['masterId'])
export class WorkerBuilderEntity {
  @Big({ primary: true }) workerId: number;
  @Big({ primary: true }) builderId: number;
  @Big({ primary: true }) masterId: number;
}

/** A token that a worker may log in with. Revoked ones are kept. */
@Entity('worker_tokens')
@Unique('token_hash', ['tokenHash'])
@Index('worker_tokens_name', ['workerName'])
export class WorkerTokenEntity {
  @Id() id: number;
  @Name() workerName: string;
  /** sha256, hexadecimal. */
  @Key(64) tokenHash: string;
  /** Digest for logins over PB; null when the token is not valid over PB. */
  @Key(32, { nullable: true }) pbDigest: string | null;
  /** In ms since 1970. */
  @Big() createdAtMs: number;
  /** In ms since 1970; null for never. */
  @Big({ nullable: true }) lastUsedAtMs: number | null;
  /** In ms since 1970; null while valid. */
  @Big({ nullable: true }) revokedAtMs: number | null;
}
