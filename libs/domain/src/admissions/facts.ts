/**
 * Where a worker is for whoever wants to claim for it. `here`: in the session that the build is to begin in. `startable`: nowhere, and it is
 * to be started for the build. `elsewhere`: in a newer session, here or on another engine.
 */
export type WorkerPlace = 'here' | 'startable' | 'elsewhere' | 'away';

/**
 * What decides whether a build of some builder may begin on some worker now (I11). The rows that it is read from are locked by then. A rule that
 * needs more adds it here.
 */
export interface AdmissionFacts {
  readonly place: WorkerPlace;
  /** What keeps builds from the worker; null: nothing. */
  readonly heldBy: 'pause' | 'shutdown' | 'quarantine' | null;
  readonly maxBuilds: number;
  /** That it has now, on all engines together. */
  readonly builds: number;
  /** Those of them that are the builder's. */
  readonly buildsOfBuilder: number;
}

/** Why a build may not begin on a worker now. */
export interface Refusal {
  /** A stable code, which the data API shows. */
  readonly reason: 'no-worker' | 'workers-paused' | 'workers-busy';
  /** What the worker is, for people: `paused`. */
  readonly text: string;
}

/** One rule. */
export type Admission = (facts: AdmissionFacts) => Refusal | null;
