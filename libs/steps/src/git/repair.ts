import type { Wanted } from './wanted.js';

/**
 * What of a checkout failed. Not the words of a message: which command it was, and what others say about it.
 *
 * - `git`: there is no git that runs
 * - `server`: the server cannot be reached, or lets nobody in
 * - `name`: the server has no such branch or tag
 * - `lfs`: what Git LFS keeps elsewhere cannot be fetched
 * - `revision`: what was fetched does not have the revision
 * - `fetch`: the server has it, and yet it cannot be fetched
 * - `submodules`: the same of a submodule, or its server is away
 * - `open`: git does not get as far as having a repository
 * - `files`: everything is here, and yet git cannot make the files what they are in the revision
 * - `worker`: something beside git, such as writing a file
 */
export type Failure =
  'git' | 'server' | 'name' | 'lfs' | 'revision' | 'fetch' | 'submodules' | 'open' | 'files' | 'worker';

/**
 * - `unlock`: remove what a killed git has left locked
 * - `reconfigure`: remove the repository's configuration, which is made again
 * - `inspect`: look whether anything is wrong with the repository
 * - `remake`: remove the folder and start from nothing
 */
export type Measure = 'unlock' | 'reconfigure' | 'inspect' | 'remake';

export interface Damage {
  readonly failure: Failure;
  /** An earlier build left the folder. */
  readonly existed: boolean;
  /** May the folder be removed (`clobberOnFailure`)? */
  readonly mayRemake: boolean;
  /** What was done already; each measure is taken once. */
  readonly taken: ReadonlySet<Measure>;
  /** What `inspect` has found. */
  readonly isSound: boolean | null;
}

/** In the order in which they are tried: the folder goes last, and only where the fault is certainly its own. */
const MEASURES: Readonly<Record<Failure, readonly Measure[]>> = {
  git: [],
  server: [],
  name: [],
  lfs: [],
  worker: [],
  revision: ['unlock', 'inspect', 'remake'],
  fetch: ['unlock', 'inspect', 'remake'],
  submodules: ['unlock', 'inspect', 'remake'],
  open: ['unlock', 'reconfigure', 'remake'],
  files: ['unlock', 'reconfigure', 'remake'],
};

/** What to do about a failure; null: nothing, the build has to fail. */
export function measureFor({ failure, existed, mayRemake, taken, isSound }: Damage): Measure | null {
  if (!existed) return null;
  const next = MEASURES[failure].find((measure) => !taken.has(measure)) ?? null;
  if (next !== 'remake') return next;
  return mayRemake && !(MEASURES[failure].includes('inspect') && isSound) ? 'remake' : null;
}

/** Why an update has failed, as a state string says it. */
export function updateFailed(failure: Failure, { branch, revision }: Wanted): string {
  const why: Readonly<Record<Failure, string | null>> = {
    git: 'there is no git on this worker',
    server: 'the server gives no answer',
    name: `no branch or tag '${revision ?? branch ?? 'HEAD'}'`,
    lfs: 'files of Git LFS cannot be fetched',
    revision: `no revision '${revision}'`,
    fetch: 'fetch failed',
    submodules: 'submodules failed',
    open: 'no repository can be made',
    files: 'checkout failed',
    worker: null,
  };
  return ['update', why[failure] ?? []].flat().join(': ');
}
