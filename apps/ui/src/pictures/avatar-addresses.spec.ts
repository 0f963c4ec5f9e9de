import { expect, it } from '@jest/globals';
import { avatarRequest } from './avatar.js';
import { addressesOf } from './avatar-addresses.js';

const MD5 = 'https://a.example/{md5}?s={size}';
const LOGIN = 'https://b.example/u/{login}';
const EMAIL = 'https://c.example/avatar?email={email}&name={username}';
const ANN = 'b868103e0aba169f3166f5be6357cfd4';

it.each([
  ['email=Ann@Example.invalid&size=40', [MD5], [`https://a.example/${ANN}?s=64`]],
  ['username=ann', [MD5, LOGIN], ['https://b.example/u/ann']],
  ['email=12%2Bann@users.noreply.github.com', [LOGIN], ['https://b.example/u/ann']],
  ['email=12-ann@users.noreply.gitlab.com&username=Ann+A', [LOGIN], ['https://b.example/u/ann']],
  ['email=a%2Bb@x.invalid&username=ann', [EMAIL], ['https://c.example/avatar?email=a%2Bb%40x.invalid&name=ann']],
  ['email=ann', [MD5, LOGIN, EMAIL], []],
  ['username=..', [LOGIN], []],
  ['username=a/../b', [LOGIN], []],
  ['username=Ann+Author', [LOGIN], []],
  ['', [MD5, LOGIN, EMAIL], []],
])('%s is asked of %j at %j', (query, templates, addresses) =>
  expect(addressesOf(templates, avatarRequest(new URLSearchParams(query)))).toEqual(addresses),
);
