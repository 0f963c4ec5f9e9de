import { describe, expect, it } from '@jest/globals';
import { cookieFor, cookieOf } from './cookies.js';

describe('cookieFor', () => {
  it.each([
    ['http://ci.example.org', 'millrace_session=s; Max-Age=60; Path=/; HttpOnly; SameSite=Lax'],
    ['https://ci.example.org', '__Host-millrace_session=s; Max-Age=60; Path=/; HttpOnly; SameSite=Lax; Secure'],
    ['https://example.org/ci', '__Secure-millrace_session=s; Max-Age=60; Path=/ci; HttpOnly; SameSite=Lax; Secure'],
  ])('is for the pages at %s', (publicUrl, cookie) => {
    expect(cookieFor('session', publicUrl).set('s', 60.5)).toBe(cookie);
  });
});

describe('cookieOf', () => {
  it.each<[string | undefined, string | null]>([
    [undefined, null],
    ['', null],
    ['a=1', '1'],
    ['b=2; a=1', '1'],
    ['a=1; a=2', null],
    ['a=', null],
    ['aa=1', null],
    ['a=1=2', '1=2'],
  ])('finds in %j', (header, value) => {
    expect(cookieOf(header, 'a')).toBe(value);
  });
});
