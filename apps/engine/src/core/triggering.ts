import { PRIORITY_LIMIT } from '@millrace/contracts';
import { checkAddresses, checkPatch, checkProperties, printable, type SourceStamp, UserError } from '@millrace/domain';

/** Limits of one call of a step for other builds. */
export const TRIGGER_LIMITS = {
  schedulers: 50,
  /** Build requests. Each is a link of the step. */
  requests: 100,
  /** Builds that trigger one another. */
  depth: 30,
  relationshipCharacters: 190,
} as const;

const STAMP_CHARACTERS = { branch: 190, revision: 190, repository: 2000, project: 190, codebase: 190 } as const;

/** What a step asks for, as far as it is to be checked. */
export interface AskedBuilds {
  readonly schedulers: readonly { readonly name: string; readonly properties: Readonly<Record<string, unknown>> }[];
  readonly sourceStamps: readonly SourceStamp[];
  readonly relationship: string;
  readonly priority: number | null;
}

/**
 * Checks a call. A step can send anything.
 * @throws UserError `bad-trigger`, `bad-properties`, `bad-patch`, `secret-in-address`
 */
export function checkAsked({ schedulers, sourceStamps, relationship, priority }: AskedBuilds): void {
  const { schedulers: most, relationshipCharacters } = TRIGGER_LIMITS;
  if (!Array.isArray(schedulers) || schedulers.length === 0 || schedulers.length > most)
    throw refused('schedulers', `has to be a list of 1 to ${most} schedulers`);
  for (const { name, properties } of schedulers) {
    if (typeof name !== 'string') throw refused('schedulers', 'has to be a list of names');
    checkProperties(properties);
  }
  if (!Array.isArray(sourceStamps)) throw refused('sourceStamps', 'has to be a list');
  for (const stamp of sourceStamps as readonly SourceStamp[]) checkStamp(stamp);
  if (typeof relationship !== 'string' || relationship.length > relationshipCharacters)
    throw refused('parentRelationship', `has to be a text of at most ${relationshipCharacters} characters`);
  if (priority !== null && !(Number.isInteger(priority) && Math.abs(priority) <= PRIORITY_LIMIT))
    throw refused('priority', `has to be a whole number of at most ${PRIORITY_LIMIT}`);
}

function checkStamp(stamp: SourceStamp): void {
  for (const [field, most] of Object.entries(STAMP_CHARACTERS)) {
    const value: unknown = stamp[field as keyof SourceStamp];
    const mayBeNull = field === 'branch' || field === 'revision';
    if (typeof value === 'string' ? value.length > most : !(value === null && mayBeNull))
      throw refused(`sourceStamps.${field}`, `is ${shown(value)}: expected a text of at most ${most} characters`);
  }
  checkAddresses(stamp);
  if (stamp.patch) checkPatch(stamp.patch);
}

function shown(value: unknown): string {
  return typeof value === 'string' ? `'${printable(value, 40)}'` : typeof value;
}

function refused(field: string, problem: string): UserError {
  return new UserError('bad-trigger', `${field} ${problem}`, { field });
}

/** A build, and the ones that led to it. */
export interface Ancestor {
  readonly builderId: number;
  readonly builderName: string;
}

/**
 * Checks that builds do not trigger one another for ever: no builder may be started below a build of its own.
 * @param chain the build that triggers, the build that triggered it, and so on
 * @throws UserError `trigger-cycle` with its path, `trigger-too-deep`
 */
export function checkChain(chain: readonly Ancestor[], started: readonly { readonly builderId: number }[]): void {
  const at = chain.findIndex(({ builderId }) => started.some((child) => child.builderId === builderId));
  if (at >= 0) {
    const path = [...chain.slice(0, at + 1).reverse(), chain[at]!].map(({ builderName }) => `'${builderName}'`);
    throw new UserError(
      'trigger-cycle',
      `builders would trigger one another for ever: ${path.join(' → ')}; take one of these triggers out`,
      { builder: chain[at]!.builderName },
    );
  }
  if (chain.length < TRIGGER_LIMITS.depth) return;
  throw new UserError('trigger-too-deep', `${chain.length} builds have triggered one another: that is the limit`, {
    limit: TRIGGER_LIMITS.depth,
  });
}
