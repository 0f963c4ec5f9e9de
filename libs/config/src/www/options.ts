import type { RightsAction, RoleSource } from '@millrace/domain';
import type { ProviderDefinition } from './providers/registry.js';

/** Names of members by role: addresses, domains or user names. */
export type RoleMembers = Readonly<Record<string, readonly string[]>>;

/** Gives a role for each group whose name begins with the prefix, named by the rest. */
export function rolesFromGroups(prefix = ''): RoleSource {
  return { from: 'groups', prefix };
}

/** Gives roles to e-mail addresses: `rolesFromEmails({ admins: ['ann@example.org'] })`. */
export function rolesFromEmails(roles: RoleMembers): RoleSource {
  return { from: 'emails', roles };
}

/** Gives roles to the domains of e-mail addresses: `rolesFromDomain({ staff: ['example.org'] })`. */
export function rolesFromDomain(roles: RoleMembers): RoleSource {
  return { from: 'domains', roles };
}

/** Gives roles to user names: `rolesFromUsername({ admins: ['ann'] })`. */
export function rolesFromUsername(roles: RoleMembers): RoleSource {
  return { from: 'usernames', roles };
}

/** Gives a role to whoever started the build that it is about. */
export function rolesFromOwner(role = 'owner'): RoleSource {
  return { from: 'owner', role };
}

/** A rule about who may do what, and where. Names are patterns with `*` and `?`. What it does not name, it does not care about. */
export interface RuleOptions {
  /** One action or several. Without any, the rule is about everything but `view` and `deliver`. */
  readonly action?: RightsAction | readonly RightsAction[];
  /** Name of a resource of the API in the singular, such as `worker`. */
  readonly resource?: string;
  readonly builder?: string;
  readonly project?: string;
  readonly branch?: string;
  readonly worker?: string;
  readonly scheduler?: string;
  /** Name of a hook, for `deliver`. */
  readonly hook?: string;
  /** The role that is allowed to; `anyone` and `signed-in` are roles, too. */
  readonly role: string;
  /** Whether everybody else is refused (the default), or the next rule is asked. */
  readonly defaultDeny?: boolean;
}

export interface AuthzOptions {
  /** How people get roles. */
  readonly roles?: readonly RoleSource[];
  /** The first rule that fits decides. */
  readonly rules?: readonly RuleOptions[];
  /** What holds where no rule fits. Default `allow`. */
  readonly default?: 'allow' | 'deny';
}

export interface ProxyOptions {
  /** Addresses of the proxy. From everybody else the headers say nothing. */
  readonly from: readonly string[];
  /** The header with the user name, such as `X-Remote-User`. The proxy has to remove it from what its clients send. */
  readonly userHeader: string;
  readonly emailHeader?: string;
  /** The header with the groups, with commas between. */
  readonly groupsHeader?: string;
}

export interface AuthOptions {
  /** Ways to sign in beside the accounts of `millrace user`: `oidc`, `google`, `keycloak`, `gitlab`, `github`, `htpasswd`, `ldap`. */
  readonly providers?: readonly ProviderDefinition[];
  /** Whether people can sign in with the accounts of `millrace user`. Default true. */
  readonly accounts?: boolean;
  /** A proxy that signs people in, and says in headers of each request who it is. */
  readonly proxy?: ProxyOptions;
  /** Hours without a request after which a session ends. Default 168, a week. */
  readonly idleHours?: number;
  /** Hours after which a session ends in any case. Default 720, thirty days. */
  readonly sessionHours?: number;
}

/** Who people are, what they may do, and which pages there are. */
export interface WwwOptions {
  /** People sign in with the accounts of `millrace user`, and by the providers. Without this, nobody can. */
  readonly auth?: AuthOptions;
  /**
   * The roles that see the projects which say nothing about it (`visibleTo`), and what has no project. Default `['anyone']`; with `[]`,
   * what nobody has made visible is not.
   */
  readonly defaultVisibility?: readonly string[];
  /** What people may do. Without this, everybody may do everything. */
  readonly authz?: AuthzOptions;
  /**
   * Absolute path of a folder with Buildbot's own frontend, which the UI then serves below `/buildbot/`: what `pip install --no-deps --target
   * FOLDER` makes of the packages `buildbot-www`, `buildbot-waterfall-view`, `buildbot-console-view` and `buildbot-grid-view`.
   */
  readonly stockFrontend?: string;
  /**
   * Where pictures of people come from. The default is `initials`: they are drawn by the UI. With `gravatar` browsers fetch them from there, by
   * a hash of the person's address. With an object the UI fetches them, and keeps them for a day.
   */
  readonly avatars?: 'initials' | 'gravatar' | AvatarsOptions;
}

/** Services that the UI fetches pictures of people from. Initials are drawn where none has one. */
export interface AvatarsOptions {
  /**
   * One to four services, in the order in which they are asked: `gravatar`, `github`, or an address, in which `{md5}` and `{sha256}` stand for
   * the hash of the person's e-mail address, `{email}` for itself, `{username}` for the name that is asked for, `{login}` for the
   * name at a forge (which an address such as `1+ann@users.noreply.github.com` tells, too), and `{size}` for the pixels.
   */
  readonly from: readonly string[];
  /** Whether services may have an address of a private network. Default `false`. */
  readonly privateAddresses?: boolean;
}
