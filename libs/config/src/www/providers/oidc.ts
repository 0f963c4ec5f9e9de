import { locate } from '../../location.js';
import type { ObjectReader } from '../../object-reader.js';
import { compilePage, HTTP_URL, type PageProviderOptions, type ProviderKind, SETTING } from './kind.js';

export interface ClaimOptions {
  /** Default `preferred_username`. */
  readonly username?: string;
  /** Default `name`. */
  readonly fullName?: string;
  /** Default `email`. */
  readonly email?: string;
  /** A list of strings. A dot leads into an object: `realm_access.roles`. Default `groups`. */
  readonly groups?: string;
}

export interface OidcCommonOptions extends PageProviderOptions {
  /** What is asked for. Default `openid`, `profile`, `email`. */
  readonly scopes?: readonly string[];
  /** The claims that say who it is. */
  readonly claims?: ClaimOptions;
  /** Whether an e-mail address counts although the provider does not say that it is verified. Default false. */
  readonly unverifiedEmail?: boolean;
}

export interface OidcOptions extends OidcCommonOptions {
  /** The address below which the provider has `.well-known/openid-configuration`. */
  readonly issuer: string;
}

export interface OidcDefinition extends OidcOptions {
  readonly kind: 'oidc';
}

/** People sign in by OpenID Connect. */
export function oidc(options: OidcOptions): OidcDefinition {
  return locate(oidc, { ...options, kind: 'oidc' });
}

/** People sign in at Google. Their names are their addresses. */
export function google(options: OidcCommonOptions): OidcDefinition {
  const common = { name: 'google', label: 'Google', icon: 'fa-google-plus', issuer: 'https://accounts.google.com' };
  return locate(google, { ...common, ...options, claims: { username: 'email', ...options.claims }, kind: 'oidc' });
}

export interface KeycloakOptions extends OidcCommonOptions {
  readonly url: string;
  readonly realm: string;
}

/** People sign in at a realm of Keycloak. Groups need its mapper, or are roles: `claims: { groups: 'realm_access.roles' }`. */
export function keycloak({ url, realm, ...options }: KeycloakOptions): OidcDefinition {
  const issuer = `${String(url).replace(/\/+$/, '')}/realms/${encodeURIComponent(realm)}`;
  return locate(keycloak, { name: 'keycloak', label: 'Keycloak', icon: 'fa-key', ...options, issuer, kind: 'oidc' });
}

export interface GitlabOptions extends OidcCommonOptions {
  /** Default `https://gitlab.com`. */
  readonly url?: string;
}

/** People sign in at GitLab. Their groups are those of GitLab, by their full paths. */
export function gitlab({ url = 'https://gitlab.com', ...options }: GitlabOptions): OidcDefinition {
  return locate(gitlab, { name: 'gitlab', label: 'GitLab', icon: 'fa-git', ...options, issuer: url, kind: 'oidc' });
}

export const oidcKind: ProviderKind = {
  kind: 'oidc',
  label: 'OpenID Connect',
  compile: (reader) => ({
    issuer: reader.text('issuer', HTTP_URL),
    ...compilePage(reader, 'fa-openid'),
    scopes: compileScopes(reader),
    claims: compileClaims(reader),
    unverifiedEmail: reader.boolean('unverifiedEmail', false),
  }),
};

function compileScopes(reader: ObjectReader): readonly string[] {
  if (!reader.has('scopes')) return ['openid', 'profile', 'email'];
  const scopes = reader.texts('scopes');
  if (!scopes.includes('openid') || scopes.length > 50 || !scopes.every((scope) => /^[\x21-\x7e]{1,200}$/.test(scope)))
    reader.problem('scopes', "a list of at most 50 scopes, with 'openid' among them");
  return scopes;
}

function compileClaims(reader: ObjectReader): object {
  const claims = reader.has('claims') ? reader.inner('claims') : null;
  const claim = (key: string, usual: string): string =>
    claims === null ? usual : claims.text(key, { default: usual, ...SETTING });
  const found = {
    username: claim('username', 'preferred_username'),
    fullName: claim('fullName', 'name'),
    email: claim('email', 'email'),
    groups: claim('groups', 'groups'),
  };
  claims?.done();
  return found;
}
