import { type GithubDefinition, githubKind } from './github.js';
import { type HtpasswdDefinition, htpasswdKind } from './htpasswd.js';
import type { ProviderKind } from './kind.js';
import { type LdapDefinition, ldapKind } from './ldap.js';
import { type OidcDefinition, oidcKind } from './oidc.js';

/** Every kind of provider. */
export const PROVIDER_KINDS: readonly ProviderKind[] = [oidcKind, githubKind, htpasswdKind, ldapKind];

/** A provider in a configuration. */
export type ProviderDefinition = OidcDefinition | GithubDefinition | HtpasswdDefinition | LdapDefinition;
