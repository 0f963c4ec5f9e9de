import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { hasReadableUser, redactAddresses, schemeOf, secretInAddress } from './addresses.js';

describe('redactAddresses', () => {
  it.each([
    ['no address', 'user:password@host', 'user:password@host'],
    ['an address without secrets', 'see https://ci.example.org/a?b=c', 'see https://ci.example.org/a?b=c'],
    ['a password', 'mysql://root:s3cret@db:3306/ci', 'mysql://***@db:3306/ci'],
    ['a token as user name', 'https://ghp_abc@host/x.git', 'https://***@host/x.git'],
    ['an @ in the password', 'https://u:p@ss@host/x', 'https://***@host/x'],
    ['a password that breaks the address', 'mysql://root:s3c/ret#@db:x/ci', 'mysql://***@db:x/ci'],
    ['an @ in the path stays', 'https://host/@scope/x', 'https://host/@scope/x'],
    ['several in one text', "a 'ws://u:p@h/ws', http://q:r@i/", "a 'ws://***@h/ws', http://***@i/"],
    ['a token as parameter', 'https://h/x?a=1&private_token=abc#f', 'https://h/x?a=1&private_token=***#f'],
    ['upper case', 'HTTPS://u:p@h/', 'HTTPS://***@h/'],
  ])('%s', (_what, text, expected) => {
    expect(redactAddresses(text)).toBe(expected);
  });

  it('never leaves a password of letters in an address', () => {
    const secret = fc.stringMatching(/^[A-Z]{12,20}$/);
    const around = fc.stringMatching(/^[a-z@/:?#&%]{0,6}$/);
    fc.assert(
      fc.property(secret, around, around, (password, before, after) => {
        const user = `user${before.replace(/[/?#]/g, '')}`;
        expect(
          redactAddresses(`x https://${user}:${password}${after.replace(/[/?#]/g, '')}@host/path y`),
        ).not.toContain(password);
      }),
    );
  });
});

describe('secretInAddress', () => {
  it.each([
    ['https://git.example.org/app.git', null],
    ['git@git.example.org:app.git', null],
    ['ssh://git@git.example.org/app.git', null],
    ['/srv/git/app.git', null],
    ['file:///srv/git/a@b.git', null],
    ['https://host/@scope/x', null],
    ['https://user@host/x', 'a user name or password'],
    ['https://user:password@host/x', 'a user name or password'],
    ['http://:password@host/x', 'a user name or password'],
    ['ssh://git:password@host/x', 'a user name or password'],
    ['https://user:pa#ss@ho st/x', 'a user name or password'],
    ['https://host/x?private_token=abc', "the parameter 'private_token'"],
    ['https://host/x?ref=main', null],
  ])('%s: %s', (address, expected) => {
    expect(secretInAddress(address)).toBe(expected);
  });
});

describe('schemeOf', () => {
  it.each([
    ['mariadb://u:p@h/x', 'mariadb://…'],
    ['u:p@h', '…'],
    ['p', '…'],
    ['nats:u:p@h', '…'],
    [`${'a'.repeat(100)}://h`, '…'],
  ])('of %s is %s', (address, scheme) => {
    expect(schemeOf(address)).toBe(scheme);
  });
});

describe('hasReadableUser', () => {
  it.each([
    ['ws://u:p%40@h', true],
    ['ws://h', true],
    ['ws://%zz:p@h', false],
    ['ws://u:p%@h', false],
  ])('%s: %s', (address, expected) => {
    expect(hasReadableUser(new URL(address))).toBe(expected);
  });
});
