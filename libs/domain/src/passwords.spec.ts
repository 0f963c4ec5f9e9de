import { describe, expect, it } from '@jest/globals';
import { hashPassword, verifyPassword } from './passwords.js';

describe('passwords', () => {
  it('accepts the password that was hashed and no other', () => {
    const hash = hashPassword('sécret');
    expect(verifyPassword('sécret', hash)).toBe(true);
    expect(verifyPassword('secret', hash)).toBe(false);
    expect(verifyPassword('', hash)).toBe(false);
  });

  it('salts: the same password twice gives two hashes, and one with a given salt', () => {
    expect(hashPassword('x')).not.toBe(hashPassword('x'));
    const salt = Buffer.alloc(16, 7);
    expect(hashPassword('x', salt)).toBe(hashPassword('x', salt));
  });

  it.each([
    '0f8c2a55d0b94b4f9d3e6a7b1c2d3e4f5061728394a5b6c7d8e9fa0b1c2d3e4f',
    'm7Wv2Qk9x1Zb4Nc8Rt5Yp0Ls3Hd6Gf+J/aEoUiTqVw=',
    '3f2504e0-4f89-41d3-9a0c-0305e82c3301',
  ])('hashes the random token %j quickly', (token) => {
    const hash = hashPassword(token);
    expect(hash).toMatch(/^sha256\$/);
    expect(verifyPassword(token, hash)).toBe(true);
    expect(verifyPassword(`${token}x`, hash)).toBe(false);
    expect(hashPassword(token)).not.toBe(hash);
  });

  it.each(['short', 'a'.repeat(64), 'correct-horse-battery-staple-and-so-on', 'a b c d e f g h i j k l 1 2 3 4 5 6 7'])(
    'hashes %j, which somebody may have thought of, slowly',
    (password) => expect(hashPassword(password)).toMatch(/^scrypt\$/),
  );

  it('holds nothing of the password', () => {
    expect(hashPassword('hunter2hunter2')).not.toContain('hunter2');
  });

  it.each([
    '',
    'x',
    'scrypt$1024$8$1$AAAA$',
    'scrypt$1024$8$1$AAAA$AAAA',
    'plain$1024$8$1$AAAA$AAAA',
    'sha256$AAAA',
    'sha256$AAAA$AAAA',
  ])('matches nothing with the malformed hash %j', (hash) => expect(verifyPassword('', hash)).toBe(false));
});
