import { UserError } from '@millrace/domain';

/** The ref to which a fetch stores what is to be checked out. */
export const FETCHED = 'refs/millrace/fetched';

/** The branch and revision that a source stamp asks for, as a person would write them. */
export interface Wanted {
  /** A branch, a tag, or a full ref name; null for the repository's default branch. */
  readonly branch: string | null;
  /** An id, the beginning of one, or the name of a tag or branch; null for the head of the branch. */
  readonly revision: string | null;
}

/** One fetch, and what of it is checked out. */
export interface Fetch {
  readonly refspecs: readonly string[];
  /** `FETCHED`, or a name that has to be looked up in what was fetched. */
  readonly target: string;
}

const FULL_ID = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/i;
const SHORT_ID = /^[0-9a-f]{4,63}$/i;
const EVERYTHING = ['+refs/heads/*:refs/millrace/heads/*', '+refs/tags/*:refs/millrace/tags/*'];

/**
 * Checks branch and revision.
 * @throws UserError `bad-git-name` for names that git would take for options, or that are no valid names
 */
export function wantedOf(branch: string | null, revision: string | null): Wanted {
  for (const [what, name] of [
    ['branch', branch],
    ['revision', revision],
  ] as const) {
    if (name === null) continue;
    if (name.length > 1_000 || /^-|[\u0000-\u0020\u007f~^:?*[\\]|\.\./.test(name))
      throw new UserError('bad-git-name', `${what} '${name.slice(0, 200)}' is not a name that Git has`, {
        [what]: name.slice(0, 200),
      });
  }
  return { branch: branch || null, revision: revision === 'HEAD' ? null : revision || null };
}

/** Returns the fetch that is tried without asking the server for its refs. It is right in nearly all cases. */
export function firstFetch({ branch, revision }: Wanted): Fetch {
  const ofBranch = fetchOf(branchRefs(branch)[0]!);
  if (revision === null) return ofBranch;
  if (FULL_ID.test(revision)) return fetchOf(revision);
  return SHORT_ID.test(revision) ? { ...ofBranch, target: revision } : fetchOf(revisionRefs(revision)[0]!);
}

/** Returns the refs under which a server may have what is wanted, as patterns for `ls-remote`. */
export function refsOf({ branch, revision }: Wanted): string[] {
  return [...(revision === null ? [] : revisionRefs(revision)), ...branchRefs(branch)];
}

/**
 * Returns the fetches to try after the first one, best first; null when the server has nothing of that name.
 *
 * @param listed names of the server's refs that match `refsOf`
 */
export function furtherFetches(wanted: Wanted, listed: ReadonlySet<string>): Fetch[] | null {
  const { branch, revision } = wanted;
  const [tried] = firstFetch(wanted).refspecs;
  const fetchesOf = (refs: readonly string[]): Fetch[] =>
    refs.filter((ref) => listed.has(ref) && `+${ref}:${FETCHED}` !== tried).map(fetchOf);
  const isThere = (refs: readonly string[]): boolean => refs.some((ref) => listed.has(ref));
  const ofBranch = branchRefs(branch);
  if (revision === null) return isThere(ofBranch) ? fetchesOf(ofBranch) : null;
  const named = revisionRefs(revision);
  if (!isId(revision)) return isThere(named) ? fetchesOf(named) : null;
  // An id may be on another branch than the given one, or in a tag only.
  const byId = fetchesOf(ofBranch).map((fetch) => ({ ...fetch, target: revision }));
  return [...byId, ...fetchesOf(named), { refspecs: EVERYTHING, target: revision }];
}

/** Returns the names of refs in the output of `git ls-remote`. */
export function listedRefs(output: string): Set<string> {
  return new Set(output.split('\n').flatMap((line) => line.split('\t', 2)[1] ?? []));
}

function fetchOf(ref: string): Fetch {
  return { refspecs: [`+${ref}:${FETCHED}`], target: FETCHED };
}

function isId(revision: string): boolean {
  return FULL_ID.test(revision) || SHORT_ID.test(revision);
}

function branchRefs(branch: string | null): string[] {
  return branch === null ? ['HEAD'] : namesOf(branch, ['refs/heads/', 'refs/tags/', 'refs/']);
}

function revisionRefs(revision: string): string[] {
  return FULL_ID.test(revision) ? [] : namesOf(revision, ['refs/tags/', 'refs/heads/', 'refs/']);
}

function namesOf(name: string, places: readonly string[]): string[] {
  return name.startsWith('refs/') ? [name] : places.map((place) => place + name);
}
