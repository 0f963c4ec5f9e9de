import { expect, it } from '@jest/globals';
import { dnOf, filterOf } from './ldap-templates.js';

it.each([
  ['ann', 'uid=ann,ou=people'],
  ['a,ou=admins', 'uid=a\\,ou\\=admins,ou=people'],
  ['a+cn=b', 'uid=a\\+cn\\=b,ou=people'],
  ['"a"\\<b>;#', 'uid=\\"a\\"\\\\\\<b\\>\\;\\#,ou=people'],
  ['$&{user}', 'uid=$&{user},ou=people'],
])('the entry of %s is %s', (user, dn) => {
  expect(dnOf('uid={user},ou=people', user)).toBe(dn);
});

it.each([
  ['ann', '(&(uid=ann)(member=uid=ann,dc=x))'],
  ['*', '(&(uid=\\2a)(member=uid=ann,dc=x))'],
  ['a)(uid=b', '(&(uid=a\\29\\28uid=b)(member=uid=ann,dc=x))'],
  ['a\\', '(&(uid=a\\5c)(member=uid=ann,dc=x))'],
  ['{dn}', '(&(uid={dn})(member=uid=ann,dc=x))'],
])('the filter for %s is %s', (user, filter) => {
  expect(filterOf('(&(uid={user})(member={dn}))', { user, dn: 'uid=ann,dc=x' })).toBe(filter);
});
