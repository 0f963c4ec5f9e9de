import { UserError } from '@millrace/domain';
import { EncryptJWT, jwtDecrypt } from 'jose';
import type { LoginProofs, PageProvider } from './providers/kind.js';

/** Time that somebody has at the provider's page. */
export const LOGIN_SECONDS = 600;

/** A login that a browser is away for. Its cookie holds it, so that any UI can end it, and a stranger's logins take no room. */
export interface PendingLogin {
  readonly proofs: LoginProofs;
  /** Where the login leads, on this site. */
  readonly target: string;
}

/** Returns what the cookie has to hold: the login, encrypted for the UIs. */
export function sealLogin({ name, sealingKey }: PageProvider, { proofs, target }: PendingLogin): Promise<string> {
  return new EncryptJWT({ ...proofs, target })
    .setProtectedHeader({ alg: 'dir', enc: 'A256GCM' })
    .setAudience(name)
    .setExpirationTime(`${LOGIN_SECONDS} s`)
    .encrypt(sealingKey);
}

/**
 * Returns the login that a browser comes back from.
 * @param sealed null without a cookie
 * @param state what the provider has sent back
 * @throws UserError `login-over` when it is none of this browser and provider, or took too long
 */
export async function openLogin(
  { name, sealingKey }: PageProvider,
  sealed: string | null,
  state: unknown,
): Promise<PendingLogin> {
  const opened = sealed === null ? null : await decrypted(sealed, sealingKey, name);
  if (opened === null || opened.state !== state)
    throw new UserError(
      'login-over',
      'this login is over, or began in another browser or at another address of this site: begin again',
      {
        provider: name,
      },
    );
  const { nonce, verifier, target } = opened;
  return { proofs: { state: opened.state, nonce, verifier }, target };
}

type Sealed = LoginProofs & { readonly target: string };

async function decrypted(sealed: string, key: Uint8Array, audience: string): Promise<Sealed | null> {
  try {
    const options = { audience, keyManagementAlgorithms: ['dir'], contentEncryptionAlgorithms: ['A256GCM'] };
    return (await jwtDecrypt<Sealed>(sealed, key, options)).payload;
  } catch {
    // Whatever is wrong with it, it came from outside and is no login of ours.
    return null;
  }
}
