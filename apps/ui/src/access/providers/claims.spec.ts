import { describe, expect, it } from '@jest/globals';
import { identityOf } from './claims.js';

const NAMES = { username: 'preferred_username', fullName: 'name', email: 'email', groups: 'groups' };
const of = (claims: object, names: object = {}, unverifiedEmail = false): unknown =>
  identityOf({ name: 'oidc', claims: { ...NAMES, ...names }, unverifiedEmail }, { sub: '1', ...claims });
const ANN = { subject: '1', username: 'ann', fullName: null, email: null, groups: [] };
const VERIFIED = { email: 'ann@example.org', email_verified: true };

describe('identityOf', () => {
  it.each<[string, object, object, object]>([
    ['a name', { preferred_username: 'ann' }, {}, ANN],
    ['a full name', { preferred_username: 'ann', name: 'Ann Ö' }, {}, { ...ANN, fullName: 'Ann Ö' }],
    ['a verified address', { preferred_username: 'ann', ...VERIFIED }, {}, { ...ANN, email: 'ann@example.org' }],
    ['no other address', { preferred_username: 'ann', email: 'ann@example.org' }, {}, ANN],
    ['no refuted one', { preferred_username: 'ann', ...VERIFIED, email_verified: 'true' }, {}, ANN],
    [
      'the address as the name',
      VERIFIED,
      { username: 'email' },
      { ...ANN, username: 'ann@example.org', email: 'ann@example.org' },
    ],
    [
      'groups once each',
      { preferred_username: 'ann', groups: ['b', 'a', '', 'b'] },
      {},
      { ...ANN, groups: ['b', 'a'] },
    ],
    [
      'groups of an object',
      { preferred_username: 'ann', realm_access: { roles: ['a'] } },
      { groups: 'realm_access.roles' },
      { ...ANN, groups: ['a'] },
    ],
    [
      'a claim with dots in its name',
      { preferred_username: 'ann', 'https://example.org/groups': ['a'] },
      { groups: 'https://example.org/groups' },
      { ...ANN, groups: ['a'] },
    ],
    ['nothing of the prototype', { preferred_username: 'ann' }, { fullName: 'constructor.name' }, ANN],
  ])('knows %s', (_name, claims, names, expected) => {
    expect(of(claims, names)).toEqual(expected);
  });

  it('believes an address without proof where the configuration says so', () => {
    const claims = { preferred_username: 'ann', email: 'ann@example.org' };
    expect(of(claims, {}, true)).toEqual({ ...ANN, email: 'ann@example.org' });
  });

  it.each<[string, object, object, string]>([
    ['no name', {}, {}, 'login-refused'],
    [
      'an address that is not verified as the name',
      { email: 'ann@example.org' },
      { username: 'email' },
      'login-refused',
    ],
    ['no subject', { sub: 1, preferred_username: 'ann' }, {}, 'bad-provider-answer'],
    ['groups that are no list', { preferred_username: 'ann', groups: 'admins' }, {}, 'bad-provider-answer'],
    [
      'groups that are no names',
      { preferred_username: 'ann', groups: [{ name: 'admins' }] },
      {},
      'bad-provider-answer',
    ],
  ])('refuses %s', (_name, claims, names, code) => {
    expect(() => of(claims, names)).toThrow(expect.objectContaining({ code }));
  });
});
