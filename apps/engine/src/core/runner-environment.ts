import { harmlessEnvironment } from '@millrace/domain';

/** The variables that a configuration names. */
export interface NamedVariables {
  /** Variables for masters: passwords of workers and of change sources. */
  readonly masters: readonly string[];
  /** Variables for steps. */
  readonly steps: readonly string[];
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Settings that name places and contain no secrets. */
const PUBLIC_SETTINGS = new Set(['MILLRACE_CONFIG', 'MILLRACE_DATA', 'MILLRACE_NAME', 'MILLRACE_URL']);

/**
 * Returns the environment of the runner's process. Its threads get their variables separately, so that these can be read neither from
 * outside nor by child processes.
 */
export function runnerProcessEnvironment(env: Environment): Record<string, string> {
  return harmlessEnvironment(env, ['NODE_OPTIONS', 'NODE_ENV']);
}

/**
 * Returns the environment that a configuration sees when its steps run: everything that a person has put there for it, the same as when it
 * was compiled, but neither Millrace's own settings nor passwords that only masters need. `MILLRACE_RUNNER_ENV` names exceptions.
 */
export function stepEnvironment(env: Environment, { masters, steps }: NamedVariables): Record<string, string> {
  const needed = new Set([...steps, ...PUBLIC_SETTINGS, ...(env['MILLRACE_RUNNER_ENV'] ?? '').split(/[\s,]+/)]);
  const withheld = new Set(masters);
  return Object.fromEntries(
    Object.entries(env).filter(
      (entry): entry is [string, string] =>
        entry[1] !== undefined &&
        (needed.has(entry[0]) || !(entry[0].startsWith('MILLRACE_') || withheld.has(entry[0]))),
    ),
  );
}
