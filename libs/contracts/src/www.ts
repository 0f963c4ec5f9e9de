import type { RightsPolicy } from '@millrace/domain';

/** How people sign in, what they may do, and which pages there are beside the web app. A part that is not configured is missing. */
export interface CompiledWww {
  readonly auth?: CompiledAuth;
  readonly authz?: RightsPolicy;
  /** Patterns of the roles that see projects which say nothing about it, and what has no project. Missing for everybody. */
  readonly defaultVisibility?: readonly string[];
  /** Where pictures of people come from. Missing where they are drawn here, from initials. */
  readonly avatars?: 'gravatar' | CompiledAvatars;
  /** Folder with Buildbot's own frontend, on the machines of the UIs. */
  readonly stockFrontend?: string;
}

/** The services that a UI fetches pictures of people from. */
export interface CompiledAvatars {
  /** Addresses with places such as `{md5}`, in the order in which they are asked. */
  readonly from: readonly string[];
  /** Whether they may be in a private network. */
  readonly privateAddresses: boolean;
}

/** How people sign in, and how long they stay signed in. */
export interface CompiledAuth {
  /** Time without a request after which a session ends. */
  readonly idleMs: number;
  /** Time after which a session ends in any case. */
  readonly sessionMs: number;
  /** Missing where the accounts of `millrace user` count. */
  readonly accounts?: false;
  /** Passwords are asked for in this order. */
  readonly providers?: readonly CompiledProvider[];
  /** A proxy that says who people are. */
  readonly proxy?: CompiledProxy;
}

/** A proxy that signs people in, and says in headers of each request who it is. Names of headers are in lower case. */
export interface CompiledProxy {
  /** Addresses of the proxy. From everybody else the headers say nothing. */
  readonly from: readonly string[];
  readonly userHeader: string;
  readonly emailHeader: string | null;
  /** The header with the groups, with commas between. */
  readonly groupsHeader: string | null;
}

/** How people sign in beside the accounts of Millrace's own. Names of environment variables stand for secrets. */
export type CompiledProvider = CompiledOidc | CompiledGithub | CompiledHtpasswd | CompiledLdap;

export interface ProviderCommon {
  /** Together with what the provider calls a person, who it is; a part of addresses. */
  readonly name: string;
  /** What pages call it. */
  readonly label: string;
}

/** What providers with a page of their own have in common. */
export interface PageProviderCommon extends ProviderCommon {
  readonly clientId: string;
  /** The environment variable of the UIs with the client's secret. */
  readonly clientSecretEnv: string;
  /** A class of Font Awesome, which Buildbot's frontend shows. */
  readonly icon: string;
  /** Whether Buildbot's frontend sends strangers there at once. */
  readonly autologin: boolean;
}

/** OpenID Connect: what it calls the person is the claim `sub`. */
export interface CompiledOidc extends PageProviderCommon {
  readonly kind: 'oidc';
  readonly issuer: string;
  readonly scopes: readonly string[];
  /** Names of claims. A dot leads into an object. */
  readonly claims: Readonly<Record<'username' | 'fullName' | 'email' | 'groups', string>>;
  /** Whether an address counts without `email_verified`. */
  readonly unverifiedEmail: boolean;
}

export interface CompiledGithub extends PageProviderCommon {
  readonly kind: 'github';
  readonly url: string;
  readonly apiUrl: string;
  /** Whose members may sign in; empty for everybody. */
  readonly organisations: readonly string[];
  /** Whether teams are groups as well: `ORGANISATION/TEAM`. */
  readonly teams: boolean;
}

export interface CompiledHtpasswd extends ProviderCommon {
  readonly kind: 'htpasswd';
  /** Absolute path on the machines of the UIs. */
  readonly file: string;
}

/** A directory. In templates, `{user}` is the name that somebody signs in with, and `{dn}` that of the entry. */
export interface CompiledLdap extends ProviderCommon {
  readonly kind: 'ldap';
  readonly url: string;
  readonly startTls: boolean;
  readonly caFile: string | null;
  readonly timeoutMs: number;
  readonly user: LdapUser;
  readonly groups: LdapGroups | null;
  /** Names of attributes. The subject may be `dn`. */
  readonly attributes: Readonly<Record<'username' | 'fullName' | 'email' | 'subject', string>>;
}

/** How the entry of a person is found: by its name, or by a search of an account for it. */
export type LdapUser =
  | { readonly by: 'dn'; readonly dn: string }
  | {
      readonly by: 'search';
      readonly base: string;
      readonly filter: string;
      readonly bindDn: string;
      readonly bindPasswordEnv: string;
    };

export interface LdapGroups {
  readonly base: string;
  readonly filter: string;
  /** The attribute with the name of a group. */
  readonly name: string;
}
