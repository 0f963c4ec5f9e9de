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

  it('holds nothing of the password', () => {
    expect(hashPassword('hunter2hunter2')).not.toContain('hunter2');
  });

  it.each(['', 'x', 'scrypt$1024$8$1$AAAA$', 'scrypt$1024$8$1$AAAA$AAAA', 'plain$1024$8$1$AAAA$AAAA'])(
    'matches nothing with the malformed hash %j',
    (hash) => expect(verifyPassword('', hash)).toBe(false),
  );
});
