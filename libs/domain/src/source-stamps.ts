import type { JsonValue } from './properties.js';
import { redactAddresses, secretInAddress } from './addresses.js';
import { UserError } from './errors.js';
import { printable } from './printable.js';

/** A version of the sources in a repository, which is to be built. A build has one per codebase. */
export interface SourceStamp {
  readonly branch: string | null;
  readonly revision: string | null;
  readonly repository: string;
  readonly project: string;
  /** Empty when the build has one repository that nobody gave a name. */
  readonly codebase: string;
  /** Missing when what is built is in the repository. */
  readonly patch?: Patch;
}

/** A change of the sources that is in no repository. It is applied after they were checked out. */
export interface Patch {
  /** The differences, as `git diff` and `diff -u` write them. */
  readonly body: string;
  /** How many leading parts of the files' names are left out, as by `patch -p`. */
  readonly level: number;
  readonly author: string;
  readonly comment: string;
  /** The folder of the sources that the files' names begin in. Empty or `.` for the topmost one. */
  readonly subdir: string;
}

/** A source stamp that does not say what to build. */
export const NO_SOURCE: SourceStamp = { branch: null, revision: null, repository: '', project: '', codebase: '' };

/** Limits of the source stamps in a request from outside. */
export const SOURCE_STAMP_LIMITS = { maxCount: 50 } as const;

/** Limits of a patch. */
export const PATCH_LIMITS = {
  bodyCharacters: 500_000,
  level: 20,
  authorCharacters: 190,
  commentCharacters: 10_000,
  subdirCharacters: 500,
} as const;

/** A path that leads to a folder within the sources, and into nothing of Git's own. */
const SUBDIR = /^(?!\/)(?!(?:[^]*\/)?(?:\.\.|\.git)(?:\/|$))[^\\\u0000-\u001f\u007f]*$/i;

/**
 * Checks source stamps that are to be built together, in time linear in their number.
 *
 * @throws UserError `bad-source-stamps` for too many, and for two of one codebase; `bad-patch`
 */
export function checkSourceStamps(stamps: readonly SourceStamp[]): void {
  const { maxCount } = SOURCE_STAMP_LIMITS;
  const refuse = (problem: string): UserError =>
    new UserError('bad-source-stamps', `sourceStamps ${problem}`, { field: 'sourceStamps' });
  if (stamps.length > maxCount) throw refuse(`has ${stamps.length} members: expected at most ${maxCount}`);
  const codebases = new Set<string>();
  for (const stamp of stamps) {
    if (codebases.has(stamp.codebase))
      throw refuse(`has two of the codebase '${printable(stamp.codebase, 190)}': a build has one of each codebase`);
    codebases.add(stamp.codebase);
    if (stamp.patch) checkPatch(stamp.patch);
  }
}

/**
 * Checks a patch. Whether it applies is known only where it is applied.
 * @throws UserError `bad-patch`
 */
export function checkPatch(patch: Patch): void {
  const refuse = (field: keyof Patch, expected: string): UserError =>
    new UserError('bad-patch', `the patch's ${field} has to be ${expected}`, { field: `patch.${field}` });
  const isText = (value: unknown, most: number): boolean => typeof value === 'string' && value.length <= most;
  const { bodyCharacters, level, authorCharacters, commentCharacters, subdirCharacters } = PATCH_LIMITS;
  if (!isText(patch.body, bodyCharacters) || patch.body.trim() === '')
    throw refuse('body', `a text of 1 to ${bodyCharacters} characters`);
  if (!Number.isInteger(patch.level) || patch.level < 0 || patch.level > level)
    throw refuse('level', `a whole number from 0 to ${level}`);
  if (!isText(patch.author, authorCharacters)) throw refuse('author', `at most ${authorCharacters} characters`);
  if (!isText(patch.comment, commentCharacters)) throw refuse('comment', `at most ${commentCharacters} characters`);
  if (!isText(patch.subdir, subdirCharacters) || !SUBDIR.test(patch.subdir))
    throw refuse('subdir', `a folder within the sources, of at most ${subdirCharacters} characters: 'src/lib'`);
}

/**
 * Checks that a source stamp contains no secrets, because pages, properties and logs show it.
 * @throws UserError `secret-in-address`
 */
export function checkAddresses(stamp: Pick<SourceStamp, 'repository' | 'project'>): void {
  for (const field of ['repository', 'project'] as const) {
    const secret = secretInAddress(stamp[field]);
    if (secret === null) continue;
    const shown = redactAddresses(stamp[field]);
    throw new UserError(
      'secret-in-address',
      `${field} '${shown}' holds ${secret}, which everybody would see: leave it out, and give credentials to the git step in the configuration`,
      { field, value: shown },
    );
  }
}

/** Returns a source stamp as a callback gets it. */
export function stampForUsers({ patch, ...stamp }: SourceStamp): Readonly<Record<string, JsonValue>> {
  return { ...stamp, ...(patch && { patch: { ...patch } }) };
}

/** Returns the source stamps sorted by codebase. The order is the same on every machine. */
export function byCodebase<T extends { readonly codebase: string }>(stamps: readonly T[]): T[] {
  return [...stamps].sort((a, b) => (a.codebase < b.codebase ? -1 : a.codebase > b.codebase ? 1 : 0));
}

/** Returns the source stamp that is meant when no codebase is named: the unnamed one, or the only one. */
export function mainSourceStamp(stamps: readonly SourceStamp[]): SourceStamp | undefined {
  return stamps.length === 1 ? stamps[0] : stamps.find(({ codebase }) => codebase === '');
}

/** Returns the source stamp of a codebase. An empty name means the main source stamp. */
export function sourceStampOf(stamps: readonly SourceStamp[], codebase: string): SourceStamp | undefined {
  return codebase === '' ? mainSourceStamp(stamps) : stamps.find((stamp) => stamp.codebase === codebase);
}

/**
 * Returns the properties of a build's main source stamp. There are none when several source stamps all have names (`%(src:CODEBASE:ATTR)s`
 * distinguishes them).
 */
export function sourceProperties(stamps: readonly SourceStamp[]): Readonly<Record<string, string | null>> {
  const main = stamps.length === 0 ? NO_SOURCE : mainSourceStamp(stamps);
  if (!main) return {};
  const { branch, revision, repository, project, codebase } = main;
  return { branch, revision, repository, project, codebase };
}

/** Returns source stamps with the revisions that a build has checked out: one text, or a map by codebase. */
export function withGotRevisions(stamps: readonly SourceStamp[], got: JsonValue | undefined): readonly SourceStamp[] {
  return stamps.map((stamp) => {
    const byCodebase = typeof got === 'object' && got !== null && !Array.isArray(got);
    const found = byCodebase ? (got as Readonly<Record<string, JsonValue>>)[stamp.codebase] : got;
    const isIts = byCodebase || stamps.length === 1 || stamp.codebase === '';
    return isIts && typeof found === 'string' && found !== '' ? { ...stamp, revision: found } : stamp;
  });
}
