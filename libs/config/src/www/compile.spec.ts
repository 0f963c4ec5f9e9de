import { describe, expect, it } from '@jest/globals';
import { compileConfig } from '../compile.js';
import { ConfigError } from '../problems.js';
import { customStep } from '../step.js';
import { builder, type MasterConfig, worker } from '../vocabulary.js';
import { rolesFromDomain, rolesFromEmails, rolesFromGroups, rolesFromOwner, rolesFromUsername } from './options.js';

const withWww = (www: unknown): MasterConfig =>
  ({
    workers: [worker('w')],
    builders: [builder('b', { workers: ['w'], factory: [customStep('do', () => Promise.resolve(0))] })],
    ...(www !== undefined && { www }),
  }) as MasterConfig;
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
    ['no time at all', { auth: { idleHours: 0 } }, 'www.auth.idleHours'],
    ['a folder that is not absolute', { stockFrontend: 'buildbot-www' }, 'www.stockFrontend'],
    ['something else', { www: 1, auth: {} }, 'www.www'],
  ])('refuses %s', (_name, www, path) => {
    const problems = problemsOf(www);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(path);
  });
});
