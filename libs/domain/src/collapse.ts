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
  if (sourceStamps.some(({ patch }) => patch)) return null;
  const stamps = byCodebase(sourceStamps).map(({ codebase, repository, project, branch, revision }) => [
    ...[codebase, repository, project, branch],
    isForChanges ? null : revision,
  ]);
  const said = Object.entries(properties)
    .filter(([name, [, source]]) => source !== FROM_CHANGES && !WHO_AND_WHY.includes(name))
    .map(([name, [value]]) => [name, value] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256')
    .update(JSON.stringify([isForChanges, stamps, said]))
    .digest('hex');
}
