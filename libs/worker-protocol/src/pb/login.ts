import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

const CHALLENGE_BYTES = 16;

/** MD5 of a password: all that PB's login needs of it, and so as secret as the password itself (`docs/protocols.md#the-login-over-pb`). */
export function pbDigest(password: string): Buffer {
  return createHash('md5').update(password, 'utf8').digest();
}

export function pbResponse(digest: Uint8Array, challenge: Uint8Array): Buffer {
  return createHash('md5').update(digest).update(challenge).digest();
}

/** What a worker has shown for its name: the answer to a challenge that only its password's digest gives. */
export class PbCredentials {
  constructor(
    readonly name: string,
    private readonly challenge: Uint8Array,
    private readonly response: Uint8Array,
  ) {}

  /** Takes the same time whatever is wrong; a digest that is not there (an unknown name) matches nothing. */
  matches(digest: Uint8Array | undefined): boolean {
    const expected = pbResponse(digest ?? randomBytes(CHALLENGE_BYTES), this.challenge);
    return this.response.length === expected.length && timingSafeEqual(this.response, expected) && digest !== undefined;
  }
}

export function newChallenge(): Buffer {
  return randomBytes(CHALLENGE_BYTES);
}
