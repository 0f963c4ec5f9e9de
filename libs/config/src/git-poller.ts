import type { CompiledGitSource } from '@millrace/contracts';
import { secretInAddress } from '@millrace/domain';
import type { CallbackTable } from './callback-table.js';
import { type BoundCredentials, checkGitAccess, credentialsFor, type GitCredentials } from './git-credentials.js';
import { type ObjectReader, SHORT, TIMER_MAX_SECONDS } from './object-reader.js';

/**
 * Reads a poller of a Git repository.
 * @param credentials receives what gives access to the repository, by the poller's name
 */
export function compileGitPoller(
  reader: ObjectReader,
  callbacks: CallbackTable,
  credentials: Map<string, BoundCredentials>,
  env: (variable: string) => string | undefined,
): CompiledGitSource {
  const address = reader.raw('repository');
  checkGitAccess(reader);
  const isSecret = typeof address === 'string' && secretInAddress(address) !== null;
  // A secret has already been reported as a problem. It must not be shown by the following checks.
  const repository = isSecret ? 'secret' : reader.text('repository', { expected: 'the address of a Git repository' });
  const name = reader.text('name', { default: repository });
  if (secretInAddress(name) !== null)
    reader.into.add(
      reader.at('name'),
      undefined,
      'a name without secrets',
      reader.where,
      `${reader.at('name')} holds a secret, and everybody sees it`,
    );
  const given = reader.raw('credentials') as GitCredentials | undefined;
  if (given && !isSecret && reader.into.problems.length === 0) {
    const variable = given.passwordEnv;
    const password = variable === undefined ? given.password : env(variable);
    if (password === undefined) {
      const path = reader.at('credentials.passwordEnv');
      reader.into.add(
        path,
        variable,
        'the name of a variable that is set',
        reader.where,
        `${path} names ${variable}, which is not set`,
      );
    } else credentials.set(name, credentialsFor({ ...given, password }, repository, repository, {}));
  }
  if (name.length > 180) reader.problem('name', 'a name of 1 to 180 characters (the repository, where none is given)');
  const compiled: CompiledGitSource = {
    kind: reader.oneOf('kind', ['git']),
    name,
    repository,
    branches: compileBranches(reader, callbacks),
    pollIntervalMs: Math.round(
      reader.number('pollIntervalSeconds', { default: 60, min: 0.1, max: TIMER_MAX_SECONDS }) * 1000,
    ),
    project: reader.text('project', { default: '', ...SHORT }),
    category: reader.has('category') && reader.raw('category') !== null ? reader.text('category', SHORT) : null,
    codebase: reader.text('codebase', { default: '', ...SHORT }),
    buildHeadsOnFirstSight: reader.boolean('buildHeadsOnFirstSight', false),
  };
  reader.done();
  return compiled;
}

function compileBranches(reader: ObjectReader, callbacks: CallbackTable): CompiledGitSource['branches'] {
  const branches = reader.raw('branches');
  if (branches === undefined || branches === 'all') return 'all';
  if (typeof branches === 'function') return { handle: callbacks.keep(reader.at('branches'), branches) };
  return reader.texts('branches', { expected: "'all', a list of branch names or a callback" });
}
