import { describe, expect, it } from '@jest/globals';
import { mayDeliver } from './delivering.js';
import { EVERYBODY_MAY, type RightsAction, type RightsPolicy, type RightsRule } from './rights.js';

const BOT = { username: 'bot', email: null, groups: ['bots'] };

function policy(...rules: Omit<RightsRule, 'orElse'>[]): RightsPolicy {
  return {
    roles: [{ from: 'usernames', roles: { importer: ['bot'] } }],
    rules: rules.map((rule) => ({ ...rule, orElse: 'deny' })),
    otherwise: 'allow',
  };
}

const deliver = (place: object = {}, role = 'importer') => ({ actions: ['deliver' as const], role, ...place });

describe('delivering to a hook with a token', () => {
  it.each<[string, RightsPolicy, RightsAction[], true | string]>([
    ['is allowed by a rule', policy(deliver()), ['deliver'], true],
    ['is allowed at the hooks that a rule names', policy(deliver({ hook: 'nightly-*' })), ['deliver'], true],
    ['is not, at others', policy(deliver({ hook: 'ci-*' })), ['deliver'], "no rule allows 'deliver'"],
    ['is not, by a rule about builders', policy(deliver({ builder: '*' })), ['deliver'], "no rule allows 'deliver'"],
    ['needs the role', policy(deliver({}, 'admins')), ['deliver'], "you need to have role 'admins' (rule 1)"],
    ['needs the scope', policy(deliver()), ['trigger', 'control'], "the scopes of the token do not include 'deliver'"],
    ['is nobody’s by default', policy(), ['deliver'], "no rule allows 'deliver'"],
    ['is nobody’s without rules', EVERYBODY_MAY, ['deliver'], "no rule allows 'deliver'"],
    ['is not part of a rule about everything', policy({ role: 'importer' }), ['deliver'], "no rule allows 'deliver'"],
  ])('%s', (_what, rights, scopes, expected) => {
    const found = mayDeliver(rights, { account: BOT, scopes }, 'nightly-import');
    expect(found.allowed || found.why).toBe(expected);
  });
});
