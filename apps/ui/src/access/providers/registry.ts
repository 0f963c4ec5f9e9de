import { github } from './github.js';
import { htpasswd } from './htpasswd.js';
import type { ProviderKind } from './kind.js';
import { ldap } from './ldap.js';
import { oidc } from './oidc.js';

const PROVIDER_KINDS: readonly ProviderKind[] = [oidc, github, htpasswd, ldap];

/** Returns a kind of provider; null for one of another release. */
export function providerKind(name: string): ProviderKind | null {
  return PROVIDER_KINDS.find(({ kind }) => kind === name) ?? null;
}
