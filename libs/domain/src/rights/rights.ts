import { matchesName } from './names.js';
import { ANYONE, type Person } from './person.js';
import { type RoleSource, rolesOf } from './roles.js';

/**
 * What can be done: `view` reads and listens, `force` starts builds by a form, `trigger` starts them by the trigger API, `rebuild` repeats one,
 * `stop` ends builds and requests, `enable` switches schedulers, `control` is everything else (the order of the queue, workers, deliveries),
 * `revert` goes back to an earlier configuration, `deliver` brings changes to hooks with a token, `audit` reads who did what.
 */
export const RIGHTS_ACTIONS = [
  'view',
  'force',
  'trigger',
  'rebuild',
  'stop',
  'enable',
  'control',
  'revert',
  'deliver',
  'audit',
] as const;
export type RightsAction = (typeof RIGHTS_ACTIONS)[number];

export function isRightsAction(text: string): text is RightsAction {
  return (RIGHTS_ACTIONS as readonly string[]).includes(text);
}

/** What somebody wants to do, and to what. A place that is unknown or has no meaning here is missing, and no rule that names one fits. */
export interface Deed {
  readonly action: RightsAction;
  /** Name of the resource in the singular, such as `build`. */
  readonly resource: string;
  readonly builder?: string;
  readonly project?: string;
  readonly branch?: string;
  readonly worker?: string;
  readonly scheduler?: string;
  readonly hook?: string;
  /** Who started the build or request. */
  readonly owners?: readonly string[];
}

/** The places of a deed that a rule can name. */
export const RIGHTS_PLACES = ['resource', 'builder', 'project', 'branch', 'worker', 'scheduler', 'hook'] as const;

/** A rule. What it does not name, it does not care about. Names are patterns with `*` and `?`. */
export interface RightsRule {
  /** Without actions, the rule is about everything but `view` and `deliver`. */
  readonly actions?: readonly RightsAction[];
  readonly resource?: string;
  readonly builder?: string;
  readonly project?: string;
  readonly branch?: string;
  readonly worker?: string;
  readonly scheduler?: string;
  readonly hook?: string;
  /** The roles that are allowed to. A pattern, too. */
  readonly role: string;
  /** Whether everybody else is refused (the usual), or the next rule is asked. */
  readonly orElse: 'deny' | 'continue';
}

/** Rules in their order: the first that fits decides. Where none does, the default does, and nobody may `audit` or `deliver`. */
export interface RightsPolicy {
  readonly roles: readonly RoleSource[];
  readonly rules: readonly RightsRule[];
  readonly otherwise: 'allow' | 'deny';
}

/** The rights of an installation that has none configured: everybody may do everything. */
export const EVERYBODY_MAY: RightsPolicy = {
  roles: [],
  rules: [{ actions: ['audit'], role: ANYONE, orElse: 'deny' }],
  otherwise: 'allow',
};

export type Verdict =
  | { readonly allowed: true }
  /** `rule` counts from 1, and is null when no rule fits. */
  | { readonly allowed: false; readonly rule: number | null; readonly role: string | null };

/**
 * Decides whether a person may do something.
 * @param person null for somebody who is not signed in
 */
export function verdict(
  { roles: sources, rules, otherwise }: RightsPolicy,
  person: Person | null,
  deed: Deed,
): Verdict {
  const roles = rolesOf(sources, person, deed.owners);
  for (const [index, rule] of rules.entries()) {
    if (!isAbout(rule, deed)) continue;
    if (hasRole(roles, rule.role)) return { allowed: true };
    if (rule.orElse === 'deny') return { allowed: false, rule: index + 1, role: rule.role };
  }
  return isUsual(otherwise, deed.action) ? { allowed: true } : { allowed: false, rule: null, role: null };
}

/** Whether some rule that may be asked about these actions names a place or an owner, so that a deed needs to say more than its action. */
export function asksForPlaces({ roles, rules }: RightsPolicy): boolean {
  return roles.some(({ from }) => from === 'owner') || rules.some((rule) => namesPlace(rule));
}

/** Whether everybody may do this, wherever it is: then nobody has to be asked. */
export function mayEverybody({ rules, otherwise }: RightsPolicy, action: RightsAction): boolean {
  for (const rule of rules) {
    if (!isAboutAction(rule, action)) continue;
    if (!matchesName(rule.role, ANYONE)) return false;
    if (!namesPlace(rule)) return true;
  }
  return isUsual(otherwise, action);
}

/**
 * Returns why a person may not do this anywhere, whatever it is about; null when there may be a place where it is allowed. For pages, which
 * say so before anybody tries.
 */
export function refusedEverywhere(
  { roles: sources, rules, otherwise }: RightsPolicy,
  person: Person | null,
  action: RightsAction,
): Extract<Verdict, { allowed: false }> | null {
  // Anybody who has signed in may own something.
  const owners = person === null ? [] : [person.username];
  const roles = rolesOf(sources, person, owners);
  for (const [index, rule] of rules.entries()) {
    if (!isAboutAction(rule, action)) continue;
    if (hasRole(roles, rule.role)) return null;
    if (rule.orElse === 'deny' && !namesPlace(rule)) return { allowed: false, rule: index + 1, role: rule.role };
  }
  return isUsual(otherwise, action) ? null : { allowed: false, rule: null, role: null };
}

function isUsual(otherwise: RightsPolicy['otherwise'], action: RightsAction): boolean {
  return otherwise === 'allow' && action !== 'audit' && action !== 'deliver';
}

function hasRole(roles: ReadonlySet<string>, pattern: string): boolean {
  if (roles.has(pattern)) return true;
  for (const role of roles) if (matchesName(pattern, role)) return true;
  return false;
}

function isAbout(rule: RightsRule, deed: Deed): boolean {
  if (!isAboutAction(rule, deed.action)) return false;
  return RIGHTS_PLACES.every((place) => {
    const pattern = rule[place];
    if (pattern === undefined) return true;
    const name = deed[place];
    return name !== undefined && matchesName(pattern, name);
  });
}

function isAboutAction({ actions }: RightsRule, action: RightsAction): boolean {
  return actions === undefined ? action !== 'view' && action !== 'deliver' : actions.includes(action);
}

function namesPlace(rule: RightsRule): boolean {
  return RIGHTS_PLACES.some((place) => rule[place] !== undefined);
}
