import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { matchesName } from './names.js';
import type { Person } from './person.js';
import { type RoleSource, rolesOf } from './roles.js';
import {
  asksForPlaces,
  type Deed,
  EVERYBODY_MAY,
  mayEverybody,
  refusedEverywhere,
  RIGHTS_ACTIONS,
  RIGHTS_PLACES,
  type RightsPolicy,
  type RightsRule,
  verdict,
} from './rights.js';

const ann: Person = { username: 'ann', email: 'Ann@Example.org', groups: ['ci-admins', 'other'] };
const bob: Person = { username: 'bob', email: null, groups: [] };
const rule = (role: string, more: Partial<RightsRule> = {}): RightsRule => ({ role, orElse: 'deny', ...more });
const policy = (...rules: RightsRule[]): RightsPolicy => ({
  roles: [
    { from: 'groups', prefix: 'ci-' },
    { from: 'owner', role: 'owner' },
  ],
  rules,
  otherwise: 'allow',
});
const build = (more: Partial<Deed> = {}): Deed => ({ action: 'stop', resource: 'build', ...more });

describe('rolesOf', () => {
  it.each<[string, RoleSource, Person | null, string[]]>([
    ['groups by prefix', { from: 'groups', prefix: 'ci-' }, ann, ['admins']],
    ['every group without one', { from: 'groups', prefix: '' }, ann, ['ci-admins', 'other']],
    ['no group called like a built-in role', { from: 'groups', prefix: '' }, { ...bob, groups: ['anyone', ''] }, []],
    ['addresses, whatever their case', { from: 'emails', roles: { boss: ['ann@example.ORG'] } }, ann, ['boss']],
    ['not parts of addresses', { from: 'emails', roles: { boss: ['nn@example.org'] } }, ann, []],
    ['domains', { from: 'domains', roles: { staff: ['example.org'] } }, ann, ['staff']],
    ['not parts of domains', { from: 'domains', roles: { staff: ['ample.org'] } }, ann, []],
    ['the last at', { from: 'domains', roles: { s: ['a.org'] } }, { ...ann, email: 'x@a.org@b.org' }, []],
    ['no domain without an at', { from: 'domains', roles: { s: ['a.org'] } }, { ...ann, email: 'a.org' }, []],
    ['user names', { from: 'usernames', roles: { a: ['ann'], b: ['bob', 'ann'], c: ['ANN'] } }, ann, ['a', 'b']],
    ['nothing for nobody', { from: 'groups', prefix: '' }, null, []],
  ])('%s', (_name, source, person, expected) => {
    const roles = rolesOf([source], person);
    const all = person === null ? ['anyone'] : ['anyone', 'signed-in'];
    expect([...roles]).toEqual([...all, ...expected]);
  });

  it.each<[readonly string[], boolean]>([
    [['ann'], true],
    [['bob', 'ann@example.org'], true],
    [['anne'], false],
    [[], false],
  ])('makes an owner of the starters %j: %s', (owners, isOwner) => {
    expect(rolesOf([{ from: 'owner', role: 'own' }], ann, owners).has('own')).toBe(isOwner);
  });

  it('makes nobody an owner who is not signed in', () => {
    expect(rolesOf([{ from: 'owner', role: 'own' }], null, ['anonymous', '']).has('own')).toBe(false);
  });
});

describe('verdict', () => {
  it.each<[string, RightsPolicy, Person | null, Deed, boolean]>([
    ['everything without rules', EVERYBODY_MAY, null, build(), true],
    ['auditing, too, without rules', EVERYBODY_MAY, null, build({ action: 'audit' }), true],
    ['auditing by rules only', policy(), ann, build({ action: 'audit' }), false],
    ['nothing without rules where the default is deny', { ...policy(), otherwise: 'deny' }, ann, build(), false],
    ['a role that the person has', policy(rule('admins')), ann, build(), true],
    ['a role that the person has not', policy(rule('admins')), bob, build(), false],
    ['reading is not covered by a rule without actions', policy(rule('admins')), null, build({ action: 'view' }), true],
    [
      'reading is covered by name',
      policy(rule('signed-in', { actions: ['view'] })),
      null,
      build({ action: 'view' }),
      false,
    ],
    ['the first rule wins', policy(rule('anyone'), rule('admins')), null, build(), true],
    ['a rule of another action', policy(rule('admins', { actions: ['force'] })), bob, build(), true],
    ['a builder', policy(rule('admins', { builder: 'release-*' })), bob, build({ builder: 'release-1' }), false],
    ['another builder', policy(rule('admins', { builder: 'release-*' })), bob, build({ builder: 'test' }), true],
    ['a builder that is not known', policy(rule('admins', { builder: '*' })), bob, build(), true],
    ['all of its places', policy(rule('admins', { builder: 'b', branch: 'main' })), bob, build({ builder: 'b' }), true],
    ['its own build', policy(rule('owner')), bob, build({ owners: ['bob'] }), true],
    ["somebody else's build", policy(rule('owner')), bob, build({ owners: ['ann'] }), false],
    [
      'the next one',
      policy(rule('owner', { orElse: 'continue' }), rule('admins')),
      ann,
      build({ owners: ['bob'] }),
      true,
    ],
    ['the end after the next', policy(rule('owner', { orElse: 'continue' })), bob, build(), true],
    ['a pattern of roles', policy(rule('adm*')), ann, build(), true],
  ])('decides by %s', (_name, rules, person, deed, allowed) => {
    expect(verdict(rules, person, deed).allowed).toBe(allowed);
  });

  it('names the rule and the role that were missing', () => {
    const rules = policy(rule('anyone', { actions: ['force'] }), rule('admins'));
    expect(verdict(rules, bob, build())).toEqual({ allowed: false, rule: 2, role: 'admins' });
    expect(verdict({ ...rules, rules: [], otherwise: 'deny' }, bob, build())).toEqual({
      allowed: false,
      rule: null,
      role: null,
    });
  });

  const name = fc.constantFrom('a', 'b', 'ab', 'release-1');
  const pattern = fc.constantFrom('a', '*', 'a*', '?', 'release-*');
  const places = Object.fromEntries(RIGHTS_PLACES.map((place) => [place, pattern]));
  const rules: fc.Arbitrary<RightsRule> = fc.record(
    {
      role: fc.constantFrom('anyone', 'signed-in', 'a', '*', 'owner'),
      orElse: fc.constantFrom('deny' as const, 'continue' as const),
      actions: fc.uniqueArray(fc.constantFrom(...RIGHTS_ACTIONS), { minLength: 1 }),
      ...places,
    },
    { requiredKeys: ['role', 'orElse'] },
  );
  const policies: fc.Arbitrary<RightsPolicy> = fc.record({
    roles: fc.constant([
      { from: 'groups', prefix: '' },
      { from: 'owner', role: 'owner' },
    ] as const),
    rules: fc.array(rules, { maxLength: 6 }),
    otherwise: fc.constantFrom('allow' as const, 'deny' as const),
  });
  const deeds = fc.record(
    {
      action: fc.constantFrom(...RIGHTS_ACTIONS),
      resource: name,
      builder: name,
      project: name,
      branch: name,
      worker: name,
      scheduler: name,
      owners: fc.array(name, { maxLength: 2 }),
    },
    { requiredKeys: ['action', 'resource'] },
  ) as fc.Arbitrary<Deed>;
  const people = fc.record({ username: name, email: fc.constant(null), groups: fc.array(name, { maxLength: 2 }) });

  it('lets everybody do what it says everybody may', () => {
    fc.assert(
      fc.property(policies, deeds, fc.option(people), (some, deed, person) => {
        if (mayEverybody(some, deed.action)) expect(verdict(some, person, deed).allowed).toBe(true);
      }),
    );
  });

  it('never refuses somebody who has signed in what it lets a stranger do', () => {
    fc.assert(
      fc.property(policies, deeds, people, (some, deed, person) => {
        if (verdict(some, null, deed).allowed) expect(verdict(some, person, deed).allowed).toBe(true);
      }),
    );
  });

  it('refuses everything of what it says is refused everywhere, and only what it may have to', () => {
    fc.assert(
      fc.property(policies, deeds, fc.option(people), (some, deed, person) => {
        const refused = refusedEverywhere(some, person, deed.action);
        if (refused) expect(verdict(some, person, deed).allowed).toBe(false);
        else if (!asksForPlaces(some)) expect(verdict(some, person, deed).allowed).toBe(true);
      }),
    );
  });

  it('does not depend on places unless it asks for them', () => {
    fc.assert(
      fc.property(policies, deeds, fc.option(people), (some, deed, person) => {
        const { action, resource } = deed;
        if (!asksForPlaces(some))
          expect(verdict(some, person, deed)).toEqual(verdict(some, person, { action, resource }));
      }),
    );
  });
});

describe('matchesName', () => {
  it('does what the expression of the pattern does', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '.', '\n'), maxLength: 8 });
    const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?', '.'), maxLength: 6 });
    fc.assert(
      fc.property(pattern, text, (glob, name) => {
        const source = glob.replaceAll('.', '\\.').replaceAll('*', '[^]*').replaceAll('?', '[^]');
        expect(matchesName(glob, name)).toBe(new RegExp(`^${source}$`).test(name));
      }),
    );
  });
});
