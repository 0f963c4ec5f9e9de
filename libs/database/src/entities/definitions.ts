import { Entity, Index, Unique } from 'typeorm';
import { Big, Bool, Id, Key, Name, Text } from './columns.js';

/** A compiled configuration. */
@Entity('revisions')
@Unique('fingerprint', ['fingerprint'])
export class RevisionEntity {
  @Id() id: number;
  /** sha256 of the body, hexadecimal. */
  @Key(64) fingerprint: string;
  /** JSON. */
  @Text() body: string;
  /** In ms since 1970. */
  @Big() createdAtMs: number;
  /** JSON: numbers of what is different from the revision before it. Null for the first one, and for those of earlier releases. */
  @Text({ nullable: true }) changed: string | null;
}

/** An earlier revision, in force in place of what a configuration file says. */
@Entity('reverts')
export class RevertEntity {
  /** Fingerprint of the file for as long as this holds. */
  @Key(64, { primary: true }) insteadOf: string;
  /** Of the revision that is in force. */
  @Key(64) fingerprint: string;
  @Text() madeBy: string;
  /** In ms since 1970. */
  @Big() madeAtMs: number;
}

@Entity('projects')
@Unique('name', ['name'])
export class ProjectEntity {
  @Id() id: number;
  @Name() name: string;
  @Text({ nullable: true }) description: string | null;
  /** JSON: the patterns of the roles that see it, as they were configured last; null where the default holds. */
  @Text({ nullable: true }) visibleTo: string | null;
}

/** A builder by its name, with columns that spare a search through its history. */
@Entity('builders')
@Unique('name', ['name'])
@Index('builders_project', ['projectId'])
export class BuilderEntity {
  @Id() id: number;
  @Name() name: string;
  @Text({ nullable: true }) description: string | null;
  @Big({ nullable: true }) projectId: number | null;
  /** JSON: a list of strings. */
  @Text() tags: string;
  /** Number of its next build. */
  @Big() nextNumber: number;
  /** The newest build that has ended. */
  @Big({ nullable: true }) latestBuildId: number | null;
  /** That build's result, in Buildbot's numbers. */
  @Big({ nullable: true }) latestResults: number | null;
  /** The newest build that ended with success. */
  @Big({ nullable: true }) latestGreenBuildId: number | null;
  /** `always`: a new request takes the place of compatible older ones that wait. `asked`: a callback says of which. Null for never. */
  @Key(8, { nullable: true }) collapse: 'always' | 'asked' | null;
}

/** The engines that serve a builder. */
@Entity('builder_masters')
@Index('builder_masters_master', ['masterId'])
export class BuilderMasterEntity {
  @Big({ primary: true }) builderId: number;
  @Big({ primary: true }) masterId: number;
  /** Fingerprint of the builder's definition at that engine. */
  @Key(64) fingerprint: string;
}

@Entity('schedulers')
@Unique('name', ['name'])
export class SchedulerEntity {
  @Id() id: number;
  @Name() name: string;
  /** `any-branch`, `single-branch`, `force`, … */
  @Key(32) kind: string;
  @Bool() enabled: boolean;
  /** The `seq` of the last change that the scheduler has decided about. */
  @Big() cursorSeq: number;
  /** The `seq` of the last finished buildset that the scheduler has decided about. */
  @Big({ default: 0 }) buildsetCursorSeq: number;
  /** When the scheduler must be called again, in ms since 1970; null for never. */
  @Big({ nullable: true }) wakeAtMs: number | null;
  /**
   * The backlog is the undecided changes after this `seq`. They came while the scheduler was disabled or not configured. Null when there
   * are none.
   */
  @Big({ nullable: true }) backlogSeq: number | null;
  /** Number of changes in the backlog when the scheduler began again. */
  @Big({ nullable: true }) backlogCount: number | null;
}

/** The last call of a scheduler that builds later, until it has. */
@Entity('kept_calls')
export class KeptCallEntity {
  @Big({ primary: true }) schedulerId: number;
  /** Tells it apart from every other call. */
  @Key(64) callId: string;
  /** JSON: what is asked for, and the build that asks. */
  @Text() body: string;
  /** In ms since 1970. */
  @Big() calledAtMs: number;
}

/** The scheduler masters that have a scheduler in their configuration. */
@Entity('scheduler_masters')
@Index('scheduler_masters_master', ['masterId'])
export class SchedulerMasterEntity {
  @Big({ primary: true }) schedulerId: number;
  @Big({ primary: true }) masterId: number;
}

@Entity('change_sources')
@Unique('name', ['name'])
export class ChangeSourceEntity {
  @Id() id: number;
  @Name() name: string;
  /** `ok`, `partial` (some of it is left out), `failing`; null before the first poll. */
  @Key(16, { nullable: true }) state: 'ok' | 'partial' | 'failing' | null;
  /** In ms since 1970. */
  @Big({ nullable: true }) stateSinceMs: number | null;
  /** What is left out, or why the change source cannot be polled, as text. */
  @Text({ nullable: true }) error: string | null;
}

/**
 * What change sources, schedulers and services remember: a poller's position in each of its branches, the last source stamp of each
 * codebase, a service's cursors.
 */
@Entity('object_state')
export class ObjectStateEntity {
  /** `poller:NAME`, `scheduler:NAME`, `service:NAME`. */
  @Name({ primary: true }) owner: string;
  /** `branch:NAME`, `move:NAME`, `codebase:NAME`, `changes`, `failures`. */
  @Name({ primary: true }) name: string;
  /** JSON. */
  @Text() value: string;
}
