import { createHash } from 'node:crypto';
import { UserError } from '@millrace/domain';

/** Returns the sha256 of a body, hexadecimal. */
export function bodyHashOf(body: string | Buffer): string {
  return createHash('sha256').update(body).digest('hex');
}

/**
 * Checks that a request which came before had the same body.
 * @throws UserError `idempotency-conflict`
 */
export function checkSameBody(
  earlierHash: string,
  hash: string,
  { name, key }: { readonly name: string; readonly key: string },
): void {
  if (earlierHash === hash) return;
  throw new UserError(
    'idempotency-conflict',
    `${name} '${key}' was used before with another body: use a new key for a new request`,
    { key },
  );
}
