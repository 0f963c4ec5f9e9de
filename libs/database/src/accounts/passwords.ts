import { createHash, randomBytes } from 'node:crypto';
import { hash, verify } from '@node-rs/argon2';
import { UserError } from '@millrace/domain';

/** Shortest and longest password, in characters. */
export const PASSWORD_CHARACTERS = { least: 8, most: 256 } as const;

/** @throws UserError `bad-password` */
export function hashPassword(password: string): Promise<string> {
  const { least, most } = PASSWORD_CHARACTERS;
  if (password.length < least || password.length > most) {
    throw new UserError('bad-password', `the password has ${password.length} characters: expected ${least} to ${most}`);
  }
  return hash(password);
}

let nobodys: Promise<string> | null = null;

/** Returns the hash of a password that nobody knows. */
export function nobodysHash(): Promise<string> {
  return (nobodys ??= hash(randomBytes(32)));
}

/**
 * Checks a password. Without a hash it takes as long, so that the time does not show which accounts exist.
 */
export async function isPassword(passwordHash: string | null, password: string): Promise<boolean> {
  const isRight = await verify(passwordHash ?? (await nobodysHash()), password.slice(0, PASSWORD_CHARACTERS.most + 1));
  return isRight && passwordHash !== null;
}

/** Returns a new secret of 256 bits. */
export function newSecret(prefix: string): string {
  return prefix + randomBytes(32).toString('base64url');
}

/** Returns what is stored of a secret that cannot be guessed. */
export function digestOf(secret: string): string {
  return createHash('sha256').update(secret, 'utf8').digest('hex');
}
