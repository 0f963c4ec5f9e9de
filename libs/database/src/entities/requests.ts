import { Entity, Index, Unique } from 'typeorm';
import { Big, Bool, Id, Key, Text, Uuid } from './columns.js';

@Entity('buildsets')
@Unique('uuid', ['uuid'])
@Index('buildsets_cause', ['schedulerId', 'cause'], { unique: true })
@Index('buildsets_seq', ['seq', 'completeAtMs'])
@Index('buildsets_complete', ['completeAtMs', 'id'])
@Index('buildsets_submitted', ['submittedAtMs', 'id'])
@Index('buildsets_rebuilt', ['rebuiltBuildId', 'id'])
@Index('buildsets_parent', ['parentBuildId', 'id'])
export class BuildsetEntity {
  @Id() id: number;
  @Uuid() uuid: Buffer;
  /** Null when no scheduler made the buildset. */
  @Big({ nullable: true }) schedulerId: number | null;
  @Key(190) schedulerName: string;
  /** Cause of the buildset. Unique per scheduler. */
  @Key(190) cause: string;
  @Text() reason: string;
  @Text({ nullable: true }) externalId: string | null;
  /** In ms since 1970. */
  @Big() submittedAtMs: number;
  /** In ms since 1970; null while not complete. */
  @Big({ nullable: true }) completeAtMs: number | null;
  /** The worst result of its requests, in Buildbot's numbers. */
  @Big({ nullable: true }) results: number | null;
  /** JSON. */
  @Text() properties: string;
  /** The build that triggered it. */
  @Big({ nullable: true }) parentBuildId: number | null;
  @Text({ nullable: true }) parentRelationship: string | null;
  /** The build that is rebuilt. For repeated rebuilds the first one. */
  @Big({ nullable: true }) rebuiltBuildId: number | null;
  /** Number of its requests that are not complete. */
  @Big() requestsLeft: number;
  /** Increases in the order in which finished buildsets become visible, which neither ids nor times do; null while not finished. */
  @Big({ nullable: true }) seq: number | null;
}

@Entity('buildset_source_stamps')
export class BuildsetSourceStampEntity {
  @Big({ primary: true }) buildsetId: number;
  @Big({ primary: true }) sourceStampId: number;
}

@Entity('buildset_changes')
@Index('buildset_changes_change', ['changeId', 'buildsetId'])
export class BuildsetChangeEntity {
  @Big({ primary: true }) buildsetId: number;
  @Big({ primary: true }) changeId: number;
}

@Entity('build_requests')
@Unique('uuid', ['uuid'])
@Index('build_requests_buildset', ['buildsetId', 'id'])
@Index('build_requests_builder', ['builderId', 'id'])
@Index('build_requests_complete', ['completeAtMs', 'id'])
@Index('build_requests_submitted', ['submittedAtMs', 'id'])
export class BuildRequestEntity {
  @Id() id: number;
  @Uuid() uuid: Buffer;
  @Big() buildsetId: number;
  @Big() builderId: number;
  @Big() priority: number;
  /** Whether a build waits for the request. */
  @Bool() waitedFor: boolean;
  /** In ms since 1970. */
  @Big() submittedAtMs: number;
  /** In ms since 1970; null while nobody works on it. */
  @Big({ nullable: true }) claimedAtMs: number | null;
  @Big({ nullable: true }) claimedByMasterId: number | null;
  /** In ms since 1970; null while not complete. */
  @Big({ nullable: true }) completeAtMs: number | null;
  /** In Buildbot's numbers. */
  @Big({ nullable: true }) results: number | null;
  /** Number of its builds. */
  @Big() attempts: number;
  /** Number of its builds that ended with the death of their engine or runner. */
  @Big() deaths: number;
  /** Why the request was completed without a build. */
  @Text({ nullable: true }) reason: string | null;
  /** Counts claims and adoptions. An epoch is never used twice for a request. */
  @Big({ default: 0 }) epoch: number;
  /** The build of which this request repeats what was not good among the builds that it triggered. Null: they are all triggered anew. */
  @Big({ nullable: true }) repeatsBuildId: number | null;
}

/** A waiting build request. */
@Entity('queue')
@Index('queue_builder', ['builderId', 'queueRank', 'requestId'])
@Index('queue_order', ['queueRank', 'requestId'])
@Index('queue_collapse', ['collapseKey', 'builderId'])
export class QueueEntity {
  @Big({ primary: true }) requestId: number;
  @Big() builderId: number;
  /** Minus the priority: the lowest comes first. */
  @Big() queueRank: number;
  /** In ms since 1970. */
  @Big() submittedAtMs: number;
  /**
   * Requests of one builder with the same key may be collapsed into the newest of them, perhaps after a callback was asked. Null for a
   * request that is never collapsed, and for one that was claimed before.
   */
  @Key(64, { nullable: true }) collapseKey: string | null;
}

/** A build request that was completed without a build, because a newer one builds the same, or an older one has. */
@Entity('collapsed_requests')
@Index('collapsed_requests_into', ['intoRequestId', 'requestId'])
export class CollapsedRequestEntity {
  @Big({ primary: true }) requestId: number;
  /** The other request, which may be collapsed in turn. */
  @Big() intoRequestId: number;
}

/** A build request of which a callback has to say whether older ones are collapsed into it. */
@Entity('collapse_questions')
@Index('collapse_questions_open', ['failedAtMs', 'requestId'])
export class CollapseQuestionEntity {
  @Big({ primary: true }) requestId: number;
  /** In ms since 1970; null while the callback is to be asked. */
  @Big({ nullable: true }) failedAtMs: number | null;
  /** Why nothing was collapsed. */
  @Text({ nullable: true }) failure: string | null;
}

/**
 * What callbacks of a builder last said at an engine about its next request: that it has to wait, or that they fail. It counts while the
 * engine asks again and again.
 */
@Entity('callback_waits')
export class CallbackWaitEntity {
  @Big({ primary: true }) builderId: number;
  @Big({ primary: true }) masterId: number;
  /** `nextBuild`, `nextWorker`, `canStartBuild`, `locks`. */
  @Key(32) callback: string;
  @Text() text: string;
  /** In ms since 1970. */
  @Big() askedAtMs: number;
}

/** A build request that an engine works on. */
@Entity('claims')
@Unique('build_id', ['buildId'])
@Index('claims_master', ['masterId', 'masterEpoch'])
@Index('claims_worker', ['workerId'])
export class ClaimEntity {
  @Big({ primary: true }) requestId: number;
  @Big() buildId: number;
  @Big() builderId: number;
  @Big() workerId: number;
  @Big() masterId: number;
  @Big() masterEpoch: number;
  /** Guards every write about the build. */
  @Big() epoch: number;
  /** When the build lost its worker and nobody worked on it any more, in ms since 1970; null while somebody does. */
  @Big({ nullable: true }) parkedAtMs: number | null;
}
