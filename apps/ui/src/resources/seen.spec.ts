import { describe, expect, it } from '@jest/globals';
import { withoutLockHolders } from './seen.js';

describe('withoutLockHolders', () => {
  it.each([
    ['build successful', 'build successful'],
    ["waiting for the lock 'db', which build 7 of 'secret' has", "waiting for the lock 'db'"],
    ["It is waiting for the lock 'db', after request 7, build 8 of 'x', which y.", "It is waiting for the lock 'db'"],
    ["waiting for the lock 'a', b', which build 7 of 'secret' has", "waiting for the lock 'a', b'"],
    ["waiting for the lock 'db', which does not have 3 units here", "waiting for the lock 'db'"],
    ["failed deadlock: build 1 of 'secret' waits for the lock 'a', which build 2 of 'b' has; b", 'failed deadlock'],
  ])('makes of %j %j', (text, expected) => {
    expect(withoutLockHolders(text)).toBe(expected);
  });
});
