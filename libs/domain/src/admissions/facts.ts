import type { LockObstacle } from '../locks/lock-table.js';

/**
 * The place of a worker for a claim. `here`: in the session in which the build is to begin. `startable`: without a session, and to be
 * started for the build. `elsewhere`: in a newer session, here or on another engine.
 */
export type WorkerPlace = 'here' | 'startable' | 'elsewhere' | 'away';

/**
 * The facts that decide whether a build of some builder may begin on some worker now (I11). The rows that they are read from are locked by
 * then. A rule that needs more facts adds them here.
 */
export interface AdmissionFacts {
  readonly place: WorkerPlace;
  /** The reason why the worker gets no builds; null when there is none. */
  readonly heldBy: 'pause' | 'shutdown' | 'quarantine' | null;
  readonly maxBuilds: number;
  /** Number of builds that the worker has now, on all engines together. */
  readonly builds: number;
  /** Number of these builds that are of the builder. */
  readonly buildsOfBuilder: number;
  /** What keeps the build from the locks that it needs on that worker; null when it needs none, or may have them. */
  readonly lock: LockObstacle | null;
}

/** Why a build may not begin on a worker now. */
export interface Refusal {
  /** A stable code, which the data API shows. */
  readonly reason: 'no-worker' | 'workers-paused' | 'workers-busy' | 'locks';
  /** The state of the worker for people, such as `paused`. */
  readonly text: string;
  /** The lock that the build has to wait for, if it is a lock. */
  readonly lock?: LockObstacle;
}

/** One rule. */
export type Admission = (facts: AdmissionFacts) => Refusal | null;
