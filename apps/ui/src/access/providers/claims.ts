import type { CompiledOidc } from '@millrace/contracts';
import type { Identity } from '@millrace/database';
import { badAnswer, refused } from './errors.js';

type Claims = Readonly<Record<string, unknown>>;

/**
 * Returns whom the claims of OpenID Connect describe. An address counts when the provider has verified it.
 * @throws UserError `login-refused` without a name; OperationalError `bad-provider-answer`
 */
export function identityOf(
  { name, claims: names, unverifiedEmail }: Pick<CompiledOidc, 'name' | 'claims' | 'unverifiedEmail'>,
  claims: Claims,
): Identity {
  const { sub: subject } = claims;
  if (typeof subject !== 'string') throw badAnswer(name, "the claim 'sub' is missing");
  const isVerified = unverifiedEmail || claims['email_verified'] === true;
  const textOf = (claim: string): string | null => {
    const value = valueOf(claims, claim);
    return typeof value === 'string' && value !== '' && (isVerified || claim !== names.email) ? value : null;
  };
  const username = textOf(names.username);
  if (username === null) {
    const isThere = valueOf(claims, names.username) !== undefined;
    throw refused(
      name,
      isThere ? `your address is not verified there` : `it does not say your name (claim '${names.username}')`,
    );
  }
  const groups = valueOf(claims, names.groups) ?? [];
  if (!Array.isArray(groups) || !groups.every((group) => typeof group === 'string'))
    throw badAnswer(name, `the claim '${names.groups}' is not a list of names`);
  return { subject, username, fullName: textOf(names.fullName), email: textOf(names.email), groups: distinct(groups) };
}

/** Returns groups once each, without the empty ones. */
export function distinct(groups: readonly string[]): readonly string[] {
  return [...new Set(groups)].filter((group) => group !== '');
}

/** Returns a claim by its very name, or by the path to it. */
function valueOf(claims: Claims, path: string): unknown {
  if (Object.hasOwn(claims, path)) return claims[path];
  return path
    .split('.')
    .reduce<unknown>(
      (value, key) =>
        typeof value === 'object' && value !== null && Object.hasOwn(value, key) ? (value as Claims)[key] : undefined,
      claims,
    );
}
