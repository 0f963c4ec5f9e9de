import { createHash, randomBytes, scryptSync, timingSafeEqual } from 'node:crypto';

/**
 * Cheap on purpose (about 2 ms, 1 MB): these are passwords of machines, a thousand of which may reconnect at once, and the
 * check runs on a main loop. The parameters are part of the hash, so raising them leaves old hashes valid.
 */
const COST = { N: 1024, r: 8, p: 1 } as const;
const KEY_BYTES = 32;

/** What a token generator makes (`openssl rand -hex 32`, `-base64 32`, a UUID): nobody can try them all, so the hash need not be slow. */
function isRandomToken(password: string): boolean {
  return /^[\w+/=-]{32,}$/.test(password) && new Set(password).size >= 10 && (password.match(/\d/g)?.length ?? 0) >= 3;
}

function quickKey(password: string, salt: Buffer): Buffer {
  return createHash('sha256').update(salt).update(password, 'utf8').digest();
}

/**
 * `scrypt$N$r$p$salt$key`, salt and key in base64, or for long random tokens `sha256$salt$key`: thousands of them are hashed whenever a
 * configuration is loaded. With a `salt` of the caller's the same password gives the same hash, which
 * lets two masters compile the same configuration to the same fingerprint.
 */
export function hashPassword(password: string, salt: Buffer = randomBytes(16)): string {
  if (isRandomToken(password)) {
    return ['sha256', salt.toString('base64'), quickKey(password, salt).toString('base64')].join('$');
  }
  const key = scryptSync(password, salt, KEY_BYTES, COST);
  return ['scrypt', COST.N, COST.r, COST.p, salt.toString('base64'), key.toString('base64')].join('$');
}

/** Synchronous, and takes the same time for every wrong password. A hash that is not one of ours matches nothing. */
export function verifyPassword(password: string, hash: string): boolean {
  if (hash.startsWith('sha256$')) return verifyToken(password, hash);
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

function verifyToken(password: string, hash: string): boolean {
  const [, salt, key, ...rest] = hash.split('$');
  if (!salt || !key || rest.length > 0) return false;
  const expected = Buffer.from(key, 'base64');
  return expected.length === KEY_BYTES && timingSafeEqual(quickKey(password, Buffer.from(salt, 'base64')), expected);
}
