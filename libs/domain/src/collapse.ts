import { createHash } from 'node:crypto';
import type { Properties } from './properties.js';
import { byCodebase, type SourceStamp } from './source-stamps.js';

/** The parts of a buildset that decide with which others its build requests may be collapsed. */
export interface Collapsible {
  readonly sourceStamps: readonly SourceStamp[];
  readonly properties: Properties;
  /** True when the buildset was made for changes. Its revision is then the newest one so far, and not one that somebody has asked for. */
  readonly isForChanges: boolean;
}

/** Properties that say who asked and why. They differ between requests that build the same. */
const WHO_AND_WHY: readonly string[] = ['owner', 'owners', 'reason'];
/** Source of the properties that a change brings along. */
const FROM_CHANGES = 'Change';

/**
 * Returns the collapse key of a buildset; null for one with a patch, which nothing else builds. Build requests of one builder with equal keys are compatible: the newer one builds what the older one
 * would have built. They have the same codebases, and in each the same repository, project and branch. Either both are for changes, or
 * they have the same revisions. What their scheduler, form or trigger says about properties is equal, too.
 */
export function collapseKey({ sourceStamps, properties, isForChanges }: Collapsible): string | null {
  if (hasPatch(sourceStamps)) return null;
  const stamps = byCodebase(sourceStamps).map((stamp) => [...placeOf(stamp), isForChanges ? null : stamp.revision]);
  const said = Object.entries(properties)
    .filter(([name, [, source]]) => source !== FROM_CHANGES && !WHO_AND_WHY.includes(name))
    .map(([name, [value]]) => [name, value] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return hashOf([isForChanges, stamps, said]);
}

/**
 * Returns the collapse key of a buildset for builders whose callback decides; null for one with a patch. The callback may be asked about
 * build requests of one builder with equal keys: they have the same codebases, and in each the same repository, project and branch.
 */
export function placeKey(sourceStamps: readonly SourceStamp[]): string | null {
  return hasPatch(sourceStamps) ? null : hashOf(['place', byCodebase(sourceStamps).map(placeOf)]);
}

function hasPatch(sourceStamps: readonly SourceStamp[]): boolean {
  return sourceStamps.some(({ patch }) => patch);
}

function placeOf({ codebase, repository, project, branch }: SourceStamp): readonly (string | null)[] {
  return [codebase, repository, project, branch];
}

function hashOf(parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}
