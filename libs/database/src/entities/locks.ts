import { Entity, Index, Unique } from 'typeorm';
import { Big, Id, Key, Text } from './columns.js';

/** A lock by its name. Whoever takes it, or asks for it, locks this row first. */
@Entity('locks')
@Unique('name', ['name'])
export class LockEntity {
  @Id() id: number;
  /** Without spaces at its ends, which would not count. */
  @Key(190) name: string;
  /** `lock`, `worker-lock`, `resources`. */
  @Key(16) kind: string;
  /** JSON: the lock as the configuration defines it. */
  @Text() definition: string;
}

/**
 * A lock that a build has taken. It is worth as much as the build's claim: without that it is not held any more, whether or not the row is
 * still there.
 */
@Entity('lock_holds')
@Index('lock_holds_lock', ['lockId'])
export class LockHoldEntity {
  @Big({ primary: true }) buildId: number;
  /** Number of the step that has the lock; -1 for the build as a whole. */
  @Big({ primary: true }) stepNumber: number;
  @Big({ primary: true }) lockId: number;
  /** 0 for a lock of the whole cluster. */
  @Big({ primary: true }) workerId: number;
  /** `exclusive`, `counting`. */
  @Key(16) mode: string;
  /** Units of the lock, or number of resources. */
  @Big() amount: number;
  /** JSON: the names of the resources taken. */
  @Text() resources: string;
  /** In ms since 1970. */
  @Big() takenAtMs: number;
}

/** A lock that a builder's next request waits for, or a step. It counts while somebody asks again and again. */
@Entity('lock_waits')
@Index('lock_waits_lock', ['lockId'])
@Index('lock_waits_build', ['buildId'])
export class LockWaitEntity {
  @Big({ primary: true }) builderId: number;
  /** 0 for a request that no build was begun for. */
  @Big({ primary: true }) buildId: number;
  /** Number of the step that waits; -1 for a request. */
  @Big({ primary: true }) stepNumber: number;
  @Big({ primary: true }) lockId: number;
  /** 0 for a lock of the whole cluster. */
  @Big({ primary: true }) workerId: number;
  /** The request that asked last. A builder keeps its position when another of its requests comes first. */
  @Big() requestId: number;
  /** `exclusive`, `counting`. */
  @Key(16) mode: string;
  /** Units of the lock, or number of resources. */
  @Big() amount: number;
  /** Most units of the lock, according to whoever waits. */
  @Big() capacity: number;
  /** Position in the queue: when it asked first, in ms since 1970. */
  @Big() sinceMs: number;
  /** When it asked last, in ms since 1970. */
  @Big() seenAtMs: number;
}
