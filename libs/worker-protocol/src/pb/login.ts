import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

const CHALLENGE_BYTES = 16;

/**
 * Returns the MD5 of a password. PB's login needs nothing else, so the digest is as secret as the password
 * (`docs/protocols.md#the-login-over-pb`).
 */
export function pbDigest(password: string): Buffer {
  return createHash('md5').update(password, 'utf8').digest();
}

export function pbResponse(digest: Uint8Array, challenge: Uint8Array): Buffer {
  return createHash('md5').update(digest).update(challenge).digest();
}

/** The name that a worker logs in with, and its answer to the challenge, which needs the password's digest. */
export class PbCredentials {
  constructor(
    readonly name: string,
    private readonly challenge: Uint8Array,
    private readonly response: Uint8Array,
  ) {}

  /** Checks the answer against a digest, in constant time. Undefined (an unknown name) never matches. */
  matches(digest: Uint8Array | undefined): boolean {
    const expected = pbResponse(digest ?? randomBytes(CHALLENGE_BYTES), this.challenge);
    return this.response.length === expected.length && timingSafeEqual(this.response, expected) && digest !== undefined;
  }
}

export function newChallenge(): Buffer {
  return randomBytes(CHALLENGE_BYTES);
}
