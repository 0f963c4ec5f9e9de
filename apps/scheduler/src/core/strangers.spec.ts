import { describe, expect, it } from '@jest/globals';
import { strangerAt } from './strangers.js';

describe('strangerAt', () => {
  const publicUrl = 'http://ci.example.org:8010/ci';
  it.each<[string, string | undefined, string | undefined, boolean, RegExp | null]>([
    ['curl', undefined, '127.0.0.1:8020', false, null],
    ['curl, by name', undefined, 'localhost:8020', false, null],
    ['curl, IPv6', undefined, '[::1]:8020', false, null],
    ['another host, with a token', undefined, 'ci.example.org:8020', true, null],
    ['our own page', 'http://ci.example.org:8010', '127.0.0.1:8020', false, null],
    ['a foreign page', 'https://evil.example', '127.0.0.1:8020', false, /pages from https:\/\/evil.example/],
    ['a foreign page, whatever it has', 'https://evil.example', '127.0.0.1:8020', true, /pages from/],
    ['a file, a sandbox', 'null', '127.0.0.1:8020', false, /pages from null/],
    ['a name that was pointed here', undefined, 'evil.example:8020', false, /Host header is 'evil.example:8020'/],
    ['a name that begins like an address', undefined, '127.0.0.1.evil.example', false, /Host header/],
    ['nothing at all', undefined, undefined, false, /Host header/],
  ])('%s', (_who, origin, host, hasToken, why) => {
    const found = strangerAt({ origin, host }, { publicUrl, hasToken });
    if (why === null) expect(found).toBeNull();
    else expect(found).toMatch(why);
  });
});
