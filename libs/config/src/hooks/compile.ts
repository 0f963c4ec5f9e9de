import type { CompiledHook } from '@millrace/contracts';
import type { CallbackTable } from '../callback-table.js';
import { type ObjectReader, SHORT } from '../object-reader.js';
import { HOOK_DIALECTS } from './registry.js';

/** A hook's name is a part of its address. */
const NAME = {
  accepts: (text: string) => /^[A-Za-z0-9_.-]{1,50}$/.test(text),
  expected: 'a name of 1 to 50 letters, digits, dots, dashes and underscores',
};

/**
 * Reads a hook.
 * @param secretOf returns the value of an environment variable
 * @returns the hook, and its secret; null without one
 */
export function compileHook(
  reader: ObjectReader,
  callbacks: CallbackTable,
  secretOf: (variable: string) => string | undefined,
): { readonly hook: CompiledHook; readonly secret: string | null } {
  const dialectName = reader.oneOf(
    'dialect',
    HOOK_DIALECTS.map(({ name }) => name),
  );
  const dialect = HOOK_DIALECTS.find(({ name }) => name === dialectName)!;
  const secret = readSecret(reader, secretOf);
  const hook = {
    dialect: dialect.name,
    name: reader.text('name', { default: dialect.name, ...NAME }),
    hasSecret: secret !== null,
    ...(secret === null ? {} : { secretEnv: reader.text('secretEnv') }),
    codebase: reader.text('codebase', { default: '', ...SHORT }),
    project: reader.has('project') ? reader.text('project', SHORT) : null,
    ...dialect.compile(reader, callbacks),
  };
  reader.done();
  return { hook, secret };
}

/** Reads the secret, which only an environment variable may hold, and never shows it. */
function readSecret(reader: ObjectReader, secretOf: (variable: string) => string | undefined): string | null {
  const strict = reader.boolean('strict', true);
  const report = (message: string): null => {
    const path = reader.at('secretEnv');
    reader.into.add(path, undefined, 'the name of a variable that is set', reader.where, `${path} ${message}`);
    return null;
  };
  if (!reader.has('secretEnv'))
    return strict
      ? report('is missing: without a secret everybody could make changes. To allow that, set strict: false')
      : null;
  const variable = reader.raw('secretEnv');
  if (typeof variable !== 'string' || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(variable))
    return report('has to name an environment variable');
  return secretOf(variable) ?? report(`names ${variable}, which is not set`);
}
