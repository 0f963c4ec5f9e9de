import { redactAddresses, secretInAddress } from './addresses.js';
import { UserError } from './errors.js';
import { printable } from './printable.js';

/** Which source is built: where it is, and what of it. A build has one of each codebase. */
export interface SourceStamp {
  readonly branch: string | null;
  readonly revision: string | null;
  readonly repository: string;
  readonly project: string;
  /** Empty where a build has one repository and nobody gave it a name. */
  readonly codebase: string;
}

/** Source stamps of a build in which nothing says what to build. */
export const NO_SOURCE: SourceStamp = { branch: null, revision: null, repository: '', project: '', codebase: '' };

/** What a request from outside may name. */
export const SOURCE_STAMP_LIMITS = { maxCount: 50 } as const;

/**
 * Checks source stamps that are to be built together, in time linear in their number.
 *
 * @throws UserError `bad-source-stamps` for too many and for two of one codebase
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
  }
}

/** What pages, properties and logs show of a source stamp holds no secrets. @throws UserError `secret-in-address` */
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

/** The same source stamps in the order of their codebases, which is the same everywhere. */
export function byCodebase<T extends { readonly codebase: string }>(stamps: readonly T[]): T[] {
  return [...stamps].sort((a, b) => (a.codebase < b.codebase ? -1 : a.codebase > b.codebase ? 1 : 0));
}

/** The source stamp that is meant where no codebase is named: the one without a name, or the only one. */
export function mainSourceStamp(stamps: readonly SourceStamp[]): SourceStamp | undefined {
  return stamps.length === 1 ? stamps[0] : stamps.find(({ codebase }) => codebase === '');
}

/** The source stamp of a codebase; an empty name means what `mainSourceStamp` does. */
export function sourceStampOf(stamps: readonly SourceStamp[], codebase: string): SourceStamp | undefined {
  return codebase === '' ? mainSourceStamp(stamps) : stamps.find((stamp) => stamp.codebase === codebase);
}

/** The properties that a build has of its main source stamp; none when all of several have names (`%(src:CODEBASE:ATTR)s` tells them apart). */
export function sourceProperties(stamps: readonly SourceStamp[]): Readonly<Record<string, string | null>> {
  const main = stamps.length === 0 ? NO_SOURCE : mainSourceStamp(stamps);
  if (!main) return {};
  const { branch, revision, repository, project, codebase } = main;
  return { branch, revision, repository, project, codebase };
}
