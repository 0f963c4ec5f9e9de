import { describe, expect, it } from '@jest/globals';
import { compileConfig } from '../compile.js';
import { ConfigError } from '../problems.js';
import { customStep } from '../step.js';
import { builder, type MasterConfig, worker } from '../vocabulary.js';
import { github } from './providers/github.js';
import { htpasswd } from './providers/htpasswd.js';
import { ldap } from './providers/ldap.js';
import { gitlab, google, keycloak, oidc } from './providers/oidc.js';
import { rolesFromDomain, rolesFromEmails, rolesFromGroups, rolesFromOwner, rolesFromUsername } from './options.js';

const withWww = (www: unknown): MasterConfig =>
  ({
    workers: [worker('w')],
    builders: [builder('b', { workers: ['w'], factory: [customStep('do', () => Promise.resolve(0))] })],
    ...(www !== undefined && { www }),
  }) as MasterConfig;
const CLIENT = { clientId: 'millrace', clientSecretEnv: 'SECRET' };
const OIDC = {
  ...{
    kind: 'oidc',
    name: 'oidc',
    label: 'OpenID Connect',
    issuer: 'https://id.example',
    ...CLIENT,
    icon: 'fa-openid',
    autologin: false,
  },
  scopes: ['openid', 'profile', 'email'],
  claims: { username: 'preferred_username', fullName: 'name', email: 'email', groups: 'groups' },
  unverifiedEmail: false,
};
const GITHUB = {
  ...{
    kind: 'github',
    name: 'github',
    label: 'GitHub',
    url: 'https://github.com',
    apiUrl: 'https://api.github.com',
    ...CLIENT,
  },
  ...{ icon: 'fa-github', autologin: false, organisations: [], teams: false },
};
const LDAP = {
  ...{
    kind: 'ldap',
    name: 'ldap',
    label: 'directory',
    url: 'ldaps://id.example',
    startTls: false,
    caFile: null,
    timeoutMs: 10_000,
  },
  ...{ user: { by: 'dn', dn: 'uid={user},ou=people' }, groups: null },
  attributes: { username: 'uid', fullName: 'cn', email: 'mail', subject: 'entryUUID' },
};
const compiled = (www: unknown) => compileConfig(withWww(www), { env: {} }).revision.www;

function problemsOf(www: unknown): string[] {
  try {
    compiled(www);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map(({ message }) => message);
    throw error;
  }
  return [];
}

describe('compileWww', () => {
  it('says nothing where the configuration does not', () => {
    expect(compiled(undefined)).toBeUndefined();
    expect(compiled({})).toBeUndefined();
  });

  it('has a week without a request, and thirty days in all', () => {
    expect(compiled({ auth: {} })).toEqual({ auth: { idleMs: 604_800_000, sessionMs: 2_592_000_000 } });
    expect(compiled({ auth: { idleHours: 1, sessionHours: 2.5 } })?.auth).toEqual({
      idleMs: 3_600_000,
      sessionMs: 9_000_000,
    });
  });

  it('keeps headers as Node names them', () => {
    const proxy = { from: ['10.0.0.5'], userHeader: 'X-Remote-User', groupsHeader: 'X-Groups' };
    expect(compiled({ auth: { proxy } })?.auth?.proxy).toEqual({
      from: ['10.0.0.5'],
      userHeader: 'x-remote-user',
      emailHeader: null,
      groupsHeader: 'x-groups',
    });
  });

  it.each([
    ['OpenID Connect', oidc({ issuer: 'https://id.example', ...CLIENT }), OIDC],
    [
      'Google',
      google(CLIENT),
      {
        ...{ ...OIDC, name: 'google', label: 'Google', icon: 'fa-google-plus', issuer: 'https://accounts.google.com' },
        claims: { ...OIDC.claims, username: 'email' },
      },
    ],
    [
      'Keycloak',
      keycloak({ url: 'https://id.example/', realm: 'my own', claims: { groups: 'realm_access.roles' }, ...CLIENT }),
      {
        ...{ ...OIDC, name: 'keycloak', label: 'Keycloak', icon: 'fa-key' },
        issuer: 'https://id.example/realms/my%20own',
        claims: { ...OIDC.claims, groups: 'realm_access.roles' },
      },
    ],
    [
      'GitLab',
      gitlab({ name: 'lab', ...CLIENT }),
      { ...OIDC, name: 'lab', label: 'GitLab', icon: 'fa-git', issuer: 'https://gitlab.com' },
    ],
    ['GitHub', github(CLIENT), GITHUB],
    [
      'GitHub of ones own',
      github({ url: 'https://git.example/', organisations: ['acme'], teams: true, ...CLIENT }),
      {
        ...{ ...GITHUB, url: 'https://git.example', apiUrl: 'https://git.example/api/v3' },
        ...{ organisations: ['acme'], teams: true },
      },
    ],
    [
      'a file',
      htpasswd({ file: '/etc/htpasswd' }),
      { kind: 'htpasswd', name: 'htpasswd', label: 'password file', file: '/etc/htpasswd' },
    ],
    ['a directory', ldap({ url: 'ldaps://id.example', userDn: 'uid={user},ou=people' }), LDAP],
    [
      'a directory with an account to search, and groups',
      ldap({
        ...{
          url: 'ldap://id.example',
          startTls: true,
          userBase: 'ou=people',
          bindDn: 'cn=ci',
          bindPasswordEnv: 'LDAP',
        },
        ...{ groupBase: 'ou=groups', attributes: { subject: 'dn' }, timeoutSeconds: 2, caFile: '/etc/ca.pem' },
      }),
      {
        ...{ ...LDAP, url: 'ldap://id.example', startTls: true, caFile: '/etc/ca.pem', timeoutMs: 2000 },
        user: { by: 'search', base: 'ou=people', filter: '(uid={user})', bindDn: 'cn=ci', bindPasswordEnv: 'LDAP' },
        groups: { base: 'ou=groups', filter: '(member={dn})', name: 'cn' },
        attributes: { ...LDAP.attributes, subject: 'dn' },
      },
    ],
  ])('reads %s', (_name, provider, expected) => {
    expect(compiled({ auth: { providers: [provider], accounts: false } })?.auth).toMatchObject({
      accounts: false,
      providers: [expected],
    });
  });

  it('keeps the order of rules', () => {
    const www = {
      authz: {
        roles: [
          rolesFromGroups('ci-'),
          rolesFromEmails({ a: ['a@b.c'] }),
          rolesFromDomain({ a: ['b.c'] }),
          rolesFromUsername({ a: ['x'] }),
          rolesFromOwner(),
        ],
        rules: [
          { action: 'stop', builder: 'release-*', role: 'owner', defaultDeny: false },
          { action: ['force', 'trigger'], role: 'admins' },
          { resource: 'worker', role: 'admins' },
        ],
        default: 'deny',
      },
    };
    expect(compiled(www)).toEqual({
      authz: {
        roles: [
          { from: 'groups', prefix: 'ci-' },
          { from: 'emails', roles: { a: ['a@b.c'] } },
          { from: 'domains', roles: { a: ['b.c'] } },
          { from: 'usernames', roles: { a: ['x'] } },
          { from: 'owner', role: 'owner' },
        ],
        rules: [
          { actions: ['stop'], builder: 'release-*', role: 'owner', orElse: 'continue' },
          { actions: ['force', 'trigger'], role: 'admins', orElse: 'deny' },
          { resource: 'worker', role: 'admins', orElse: 'deny' },
        ],
        otherwise: 'deny',
      },
    });
  });

  it.each<[string, unknown, string]>([
    ['no action', { authz: { rules: [{ action: 'destroy', role: 'a' }] } }, 'www.authz.rules[0].action'],
    ['an empty list of actions', { authz: { rules: [{ action: [], role: 'a' }] } }, 'www.authz.rules[0].action'],
    [
      'a view of a place',
      { authz: { rules: [{ action: 'view', builder: 'b', role: 'a' }] } },
      'www.authz.rules[0].action',
    ],
    ['no role', { authz: { rules: [{ action: 'stop' }] } }, 'www.authz.rules[0].role'],
    ['an empty place', { authz: { rules: [{ builder: '', role: 'a' }] } }, 'www.authz.rules[0].builder'],
    ['an unknown place', { authz: { rules: [{ bilder: 'x', role: 'a' }] } }, 'www.authz.rules[0].bilder'],
    ['no source of roles', { authz: { roles: [{ from: 'thin air' }] } }, 'www.authz.roles[0].from'],
    [
      'members that are no list',
      { authz: { roles: [rolesFromEmails({ a: 'x' as never })] } },
      'www.authz.roles[0].roles.a',
    ],
    ['a default that is neither', { authz: { default: 'maybe' } }, 'www.authz.default'],
    ['no addresses of a proxy', { auth: { proxy: { from: [], userHeader: 'X-User' } } }, 'www.auth.proxy.from'],
    ['a name for an address', { auth: { proxy: { from: ['proxy'], userHeader: 'X-User' } } }, 'www.auth.proxy.from[0]'],
    ['a header of others', { auth: { proxy: { from: ['::1'], userHeader: 'Host' } } }, 'www.auth.proxy.userHeader'],
    [
      'an unknown provider',
      { auth: { providers: [{ ...CLIENT, kind: 'github2', issuer: 'https://id.example' }] } },
      'www.auth.providers[0].kind',
    ],
    [
      'a secret in place of its name',
      { auth: { providers: [github({ ...CLIENT, clientSecretEnv: 's3cr-et' })] } },
      'www.auth.providers[0].clientSecretEnv',
    ],
    [
      'two providers of one name',
      { auth: { providers: [github(CLIENT), github(CLIENT)] } },
      'www.auth.providers[1].name',
    ],
    [
      'a name that is no part of an address',
      { auth: { providers: [github({ name: 'a/b', ...CLIENT })] } },
      'www.auth.providers[0].name',
    ],
    [
      'a provider that is not encrypted',
      { auth: { providers: [oidc({ issuer: 'http://id.example', ...CLIENT })] } },
      'www.auth.providers[0].issuer',
    ],
    [
      'no openid among the scopes',
      { auth: { providers: [oidc({ issuer: 'https://id.example', scopes: ['email'], ...CLIENT })] } },
      'www.auth.providers[0].scopes',
    ],
    [
      'an unknown claim',
      { auth: { providers: [google({ ...CLIENT, claims: { name: 'x' } as never })] } },
      'www.auth.providers[0].claims.name',
    ],
    [
      'a file that is not absolute',
      { auth: { providers: [htpasswd({ file: 'htpasswd' })] } },
      'www.auth.providers[0].file',
    ],
    [
      'a directory that is not encrypted',
      { auth: { providers: [ldap({ url: 'ldap://id.example', userDn: 'uid={user}' })] } },
      'www.auth.providers[0].url',
    ],
    [
      'a directory without a way to find people',
      { auth: { providers: [ldap({ url: 'ldaps://id.example' })] } },
      'www.auth.providers[0].userDn',
    ],
    [
      'an entry that is the same for all',
      { auth: { providers: [ldap({ url: 'ldaps://id.example', userDn: 'uid=ann' })] } },
      'www.auth.providers[0].userDn',
    ],
    ['no time at all', { auth: { idleHours: 0 } }, 'www.auth.idleHours'],
    ['avatars of no source', { avatars: { from: [] } }, 'www.avatars.from'],
    [
      'avatars of a host that is asked for',
      { avatars: { from: ['https://{username}.example/a'] } },
      'www.avatars.from[0]',
    ],
    ['avatars with a login', { avatars: { from: ['https://a:b@c.example/{md5}'] } }, 'www.avatars.from[0]'],
    ['avatars of a file', { avatars: { from: ['gravatar', 'file:///{md5}'] } }, 'www.avatars.from[1]'],
    [
      'avatars that are the same for all',
      { avatars: { from: ['https://c.example/?s={size}'] } },
      'www.avatars.from[0]',
    ],
    ['avatars by what nobody knows', { avatars: { from: ['https://c.example/{id}'] } }, 'www.avatars.from[0]'],
    ['a folder that is not absolute', { stockFrontend: 'buildbot-www' }, 'www.stockFrontend'],
    ['something else', { www: 1, auth: {} }, 'www.www'],
  ])('refuses %s', (_name, www, path) => {
    const problems = problemsOf(www);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(path);
  });
});
