import { randomBytes, scryptSync, timingSafeEqual } from 'node:crypto';

/**
 * Cheap on purpose (about 2 ms, 1 MB): these are passwords of machines, a thousand of which may reconnect at once, and the
 * check runs on a main loop. The parameters are part of the hash, so raising them leaves old hashes valid.
 */
const COST = { N: 1024, r: 8, p: 1 } as const;
const KEY_BYTES = 32;

/**
 * `scrypt$N$r$p$salt$key`, salt and key in base64. With a `salt` of the caller's the same password gives the same hash, which
 * lets two masters compile the same configuration to the same fingerprint.
 */
export function hashPassword(password: string, salt: Buffer = randomBytes(16)): string {
  const key = scryptSync(password, salt, KEY_BYTES, COST);
  return ['scrypt', COST.N, COST.r, COST.p, salt.toString('base64'), key.toString('base64')].join('$');
}

/** Synchronous, and takes the same time for every wrong password. A hash that is not one of ours matches nothing. */
export function verifyPassword(password: string, hash: string): boolean {
  const [scheme, N, r, p, salt, key, ...rest] = hash.split('$');
  if (scheme !== 'scrypt' || !N || !r || !p || !salt || !key || rest.length > 0) return false;
  const expected = Buffer.from(key, 'base64');
  if (expected.length !== KEY_BYTES) return false;
  const actual = scryptSync(password, Buffer.from(salt, 'base64'), KEY_BYTES, {
    N: Number(N),
    r: Number(r),
    p: Number(p),
  });
  return timingSafeEqual(actual, expected);
}
