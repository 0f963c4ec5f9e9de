import type { Wanted } from './wanted.js';

/**
 * What failed in a checkout. It is judged by the command that failed and by further checks, not by the text of a message.
 *
 * - `git`: git does not run
 * - `server`: the server cannot be reached, or denies access
 * - `name`: the server has no such branch or tag
 * - `lfs`: files of Git LFS cannot be fetched
 * - `revision`: the revision is not in what was fetched
 * - `fetch`: the server has the revision, but it cannot be fetched
 * - `submodules`: a submodule cannot be fetched, or its server is away
 * - `open`: git cannot open the repository
 * - `files`: everything is here, but git cannot check out the files
 * - `worker`: something other than git failed, such as writing a file
 */
export type Failure =
  'git' | 'server' | 'name' | 'lfs' | 'revision' | 'fetch' | 'submodules' | 'open' | 'files' | 'worker';

/**
 * What can be done about a failure.
 *
 * - `unlock`: remove locks of a killed git
 * - `reconfigure`: remove the repository's configuration, which is made again
 * - `inspect`: check whether anything is wrong with the repository
 * - `remake`: remove the folder and start again
 */
export type Measure = 'unlock' | 'reconfigure' | 'inspect' | 'remake';

export interface Damage {
  readonly failure: Failure;
  /** True when an earlier build left the folder. */
  readonly existed: boolean;
  /** Whether the folder may be removed (`clobberOnFailure`). */
  readonly mayRemake: boolean;
  /** Measures taken already. Each is taken once. */
  readonly taken: ReadonlySet<Measure>;
  /** The result of `inspect`. */
  readonly isSound: boolean | null;
}

/** Measures in the order in which they are tried. The folder is removed last, and only when the fault is certainly in it. */
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

/** Returns the next measure against a failure; null when the build has to fail. */
export function measureFor({ failure, existed, mayRemake, taken, isSound }: Damage): Measure | null {
  if (!existed) return null;
  const next = MEASURES[failure].find((measure) => !taken.has(measure)) ?? null;
  if (next !== 'remake') return next;
  return mayRemake && !(MEASURES[failure].includes('inspect') && isSound) ? 'remake' : null;
}

/** Returns the state text for a failed update. */
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
