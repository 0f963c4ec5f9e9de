import { UserError } from '@millrace/domain';
import { FEATURE_OBFUSCATION, type WorkerInfo } from './worker-info.js';

/** A secret on a command line or in the environment. The command gets `value`; headers and logs show `obfuscated`. */
export interface Obfuscated {
  readonly obfuscated: string;
  readonly value: string;
}

export function isObfuscated(value: unknown): value is Obfuscated {
  return (
    typeof value === 'object' &&
    value !== null &&
    'obfuscated' in value &&
    typeof value.obfuscated === 'string' &&
    'value' in value &&
    typeof value.value === 'string'
  );
}

/**
 * Returns the arguments of `shell` for a msgpack worker. A worker that cannot obfuscate gets secrets of the environment as plain text, and
 * does not print its environment.
 * @throws UserError `obfuscation-unsupported` for a secret on the command line, which such a worker would show
 */
export function withoutSecrets(
  worker: WorkerInfo | undefined,
  args: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const { command: line, env } = args;
  if (worker?.features.includes(FEATURE_OBFUSCATION)) return { ...args };
  const version = worker?.version ?? 'unknown';
  if (Array.isArray(line) && line.some(isObfuscated)) {
    throw new UserError(
      'obfuscation-unsupported',
      `worker version '${version}' would show the secret on the command line; pass it in the environment instead`,
      { version },
    );
  }
  const variables = typeof env === 'object' && env !== null ? Object.entries(env) : [];
  if (!variables.some(([, value]) => isObfuscated(value))) return { ...args };
  const revealed = variables.map(([name, value]: [string, unknown]) => [
    name,
    isObfuscated(value) ? value.value : value,
  ]);
  return { ...args, env: Object.fromEntries(revealed) as unknown, logEnviron: false };
}
