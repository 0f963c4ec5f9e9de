import { isObfuscated } from '@millrace/worker-protocol';
import { delimiter } from 'node:path';
import type { Arguments } from './arguments.js';

export interface ProcessEnvironment {
  /** The environment of the process. */
  readonly env: Readonly<Record<string, string>>;
  /** The environment as headers show it: obfuscated values are hidden. */
  readonly shown: Readonly<Record<string, string>>;
}

/**
 * Returns the worker's environment with a command's changes: text (in which `${NAME}` is the worker's own variable), a list (joined as a
 * search path), an obfuscated value, or null (removed). `PYTHONPATH` goes before the worker's own; `PWD` is the working directory.
 */
export function processEnvironment(
  own: Readonly<Record<string, string>>,
  args: Arguments,
  workdir: string,
): ProcessEnvironment {
  const env: Record<string, string> = { ...own };
  const hidden: Record<string, string> = {};
  for (const [name, value] of Object.entries(args.map('env'))) {
    if (!/^[^=\0]+$/.test(name)) args.bad('env', name, 'a map whose names have no = in them');
    if (value === null) delete env[name];
    else if (typeof value === 'string') env[name] = substituted(value, own);
    else if (isListOfTexts(value)) env[name] = substituted(value.join(delimiter), own);
    else if (isObfuscated(value)) {
      env[name] = value.value;
      hidden[name] = value.obfuscated;
    } else args.bad(`env.${name}`, value, 'text, a list of texts or null');
    if (name === 'PYTHONPATH' && value !== null && own[name] !== undefined) env[name] += `${delimiter}${own[name]}`;
  }
  env['PWD'] = workdir;
  return { env, shown: { ...env, ...hidden } };
}

function isListOfTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

function substituted(text: string, own: Readonly<Record<string, string>>): string {
  return text.replace(/\$\{([0-9a-zA-Z_]*)\}/g, (_match, name: string) => own[name] ?? '');
}
