import { harmlessEnvironment } from '@millrace/domain';

/** Which variables a configuration names, and for whom. */
export interface NamedVariables {
  /** What masters need of it: passwords of workers and of change sources. */
  readonly masters: readonly string[];
  /** What its steps need. */
  readonly steps: readonly string[];
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Settings that say where something is, and open nothing. */
const PUBLIC_SETTINGS = new Set(['MILLRACE_CONFIG', 'MILLRACE_DATA', 'MILLRACE_NAME', 'MILLRACE_URL']);

/**
 * What the runner's process itself has: its threads get theirs apart, so that nothing else can be read of the process from outside, or by what
 * it starts.
 */
export function runnerProcessEnvironment(env: Environment): Record<string, string> {
  return harmlessEnvironment(env, ['NODE_OPTIONS', 'NODE_ENV']);
}

/**
 * What a configuration sees of the engine's environment when its steps run: everything that a person has put there for it, as when it was compiled, but
 * neither Millrace's own settings nor passwords that only masters need. `MILLRACE_RUNNER_ENV` names what is needed all the same.
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
