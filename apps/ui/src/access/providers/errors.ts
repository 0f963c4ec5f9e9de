import { messageOf, OperationalError, printable, UserError } from '@millrace/domain';

/** Says that a provider does not answer. The accounts of Millrace's own do not need it. */
export function unavailable(name: string, cause: unknown): OperationalError {
  const why = printable(messageOf(cause), 200);
  const text = `'${name}' does not answer (${why}): try again later, or sign in another way`;
  return new OperationalError('provider-unavailable', text, { provider: name }, { cause });
}

/** Says that an answer of a provider cannot be used. */
export function badAnswer(name: string, why: string, cause?: unknown): OperationalError {
  const text = `the answer of '${name}' cannot be used: ${printable(why, 300)}`;
  return new OperationalError('bad-provider-answer', text, { provider: name }, { cause });
}

/** Says that a provider, or what is configured for it, lets somebody not in. */
export function refused(name: string, why: string): UserError {
  return new UserError('login-refused', `'${name}' did not sign you in: ${printable(why, 300)}`, { provider: name });
}

/** @throws OperationalError `no-secret` */
export function secretOf(name: string, variable: string, env: Readonly<Record<string, string | undefined>>): string {
  const secret = env[variable];
  if (secret) return secret;
  const text = `this UI does not know the secret of '${name}': set ${variable} in its environment`;
  throw new OperationalError('no-secret', text, { provider: name, setting: variable });
}
