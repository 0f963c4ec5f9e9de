import { matchesName } from './names.js';

/** A project, and the roles that see it: patterns, as in rules. Null for what the default says. */
export interface ProjectVisibility {
  readonly id: number;
  readonly name: string;
  readonly visibleTo: readonly string[] | null;
}

/** Number that stands for the project of whatever has none. What it is visible to is the default. */
export const NO_PROJECT = 0;

/** Which projects there are, and who sees them. */
export interface VisibilityPolicy {
  readonly projects: readonly ProjectVisibility[];
  /** The roles that see projects which say nothing about it, and what has no project. */
  readonly byDefault: readonly string[];
}

/**
 * Decides which projects somebody sees. Returns their ids in order, `NO_PROJECT` among them for what has no project; null for all projects,
 * those to come included, so that nothing has to be asked.
 */
export function visibleProjects(
  { projects, byDefault }: VisibilityPolicy,
  roles: ReadonlySet<string>,
): readonly number[] | null {
  const seesDefault = isAmong(roles, byDefault);
  const visible = projects.filter(({ visibleTo }) => (visibleTo === null ? seesDefault : isAmong(roles, visibleTo)));
  if (seesDefault && visible.length === projects.length) return null;
  return [...(seesDefault ? [NO_PROJECT] : []), ...visible.map(({ id }) => id).sort((a, b) => a - b)];
}

function isAmong(roles: ReadonlySet<string>, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => {
    if (roles.has(pattern)) return true;
    for (const role of roles) if (matchesName(pattern, role)) return true;
    return false;
  });
}
