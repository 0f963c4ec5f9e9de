import { describe, expect, it } from '@jest/globals';
import { hostAllowed } from './origin.js';

describe('hostAllowed', () => {
  it.each([
    ['localhost:8010', '127.0.0.1', true],
    ['127.0.0.1:8010', '127.0.0.1', true],
    ['[::1]:8010', '::1', true],
    ['192.0.2.7', 'localhost', true],
    ['ci.example.org', '127.0.0.1', true],
    ['CI.example.org:443', '127.0.0.1', true],
    [undefined, '127.0.0.1', true],
    ['evil.example', '127.0.0.1', false],
    ['evil.example:8010', '127.0.0.2', false],
    ['localhost.evil.example', '::1', false],
    ['127.0.0.1.evil.example', 'localhost', false],
    ['not a host', '127.0.0.1', false],
    ['', '127.0.0.1', false],
    ['any.example', '0.0.0.0', true],
    ['any.example', '192.0.2.7', true],
  ])('%s on %s: %s', (host, listensOn, allowed) => {
    expect(hostAllowed(host, listensOn, 'https://ci.example.org')).toBe(allowed);
  });
});
