import { createHash, timingSafeEqual } from 'node:crypto';
import type { Proof } from '@millrace/config/hooks';
import { verify } from '@octokit/webhooks-methods';

type Headers = Readonly<Record<string, string>>;

/** Whether a proof is complete without the body, so that it can be checked before the body is read. */
export function isInHead(proof: Proof): boolean {
  return proof.kind !== 'hmac';
}

/** Whether a delivery knows the secret. */
export async function isProven(proof: Proof, secret: string, headers: Headers, body: string): Promise<boolean> {
  if (proof.kind !== 'hmac') return isProvenByHead(proof, secret, headers);
  const signature = headers[proof.header] ?? '';
  if (signature === '' || body === '') return false;
  return verify(secret, body, signature.startsWith('sha256=') ? signature : `sha256=${signature}`);
}

/** Whether the head of a delivery knows the secret, for a proof that needs no body. */
export function isProvenByHead(proof: Exclude<Proof, { kind: 'hmac' }>, secret: string, headers: Headers): boolean {
  if (proof.kind === 'token') return isSame(headers[proof.header] ?? '', secret);
  const [, scheme = '', credentials = ''] = /^(\S+) +(.*)$/.exec(headers['authorization'] ?? '') ?? [];
  switch (scheme.toLowerCase()) {
    case 'bearer':
      return isSame(credentials, secret);
    case 'basic': {
      const pair = Buffer.from(credentials, 'base64').toString('utf8');
      return pair.includes(':') && isSame(pair.slice(pair.indexOf(':') + 1), secret);
    }
    default:
      return false;
  }
}

/** Compares two texts in a time that depends on neither. */
function isSame(given: string, wanted: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(wanted));
}
