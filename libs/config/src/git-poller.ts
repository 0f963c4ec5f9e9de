import type { CompiledGitSource, RefSelection } from '@millrace/contracts';
import { compilePattern, messageOf, secretInAddress } from '@millrace/domain';
import type { CallbackTable } from './callback-table.js';
import { checkGitAccess, credentialsFor, type GitCredentials } from './git-credentials.js';
import { checkGitKey, type GitAccess, type GitKeyOptions, keyFor } from './git-ssh.js';
import { type ObjectReader, SHORT, TIMER_MAX_SECONDS } from './object-reader.js';

/**
 * Reads a poller of a Git repository.
 * @param accesses receives what gives access to the repository, by the poller's name
 */
export function compileGitPoller(
  reader: ObjectReader,
  callbacks: CallbackTable,
  accesses: Map<string, GitAccess>,
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
  const keys = checkGitKey(reader, ['sshPrivateKey', 'sshPrivateKeyEnv', 'sshPrivateKeyFile']);
  const access = isSecret || reader.into.problems.length > 0 ? null : accessOf(reader, { repository, keys, env });
  if (access) accesses.set(name, access);
  if (name.length > 180) reader.problem('name', 'a name of 1 to 180 characters (the repository, where none is given)');
  const compiled: CompiledGitSource = {
    kind: reader.oneOf('kind', ['git']),
    name,
    repository,
    ...compileRefs(reader, callbacks),
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

/** Returns what gives access to the repository; null for nothing. */
function accessOf(
  reader: ObjectReader,
  {
    repository,
    keys,
    env,
  }: {
    readonly repository: string;
    readonly keys: readonly string[];
    readonly env: (variable: string) => string | undefined;
  },
): GitAccess | null {
  const credentials = reader.raw('credentials') as GitCredentials | undefined;
  const [key, variable] = keys.includes('sshPrivateKeyEnv')
    ? ['sshPrivateKeyEnv', reader.raw('sshPrivateKeyEnv') as string]
    : ['credentials.passwordEnv', credentials?.passwordEnv];
  const value = variable === undefined ? undefined : env(variable);
  if (variable !== undefined && value === undefined) {
    const path = reader.at(key);
    const message = `${path} names ${variable}, which is not set`;
    reader.into.add(path, variable, 'the name of a variable that is set', reader.where, message);
    return null;
  }
  if (credentials) {
    const bound = credentialsFor({ ...credentials, ...(value && { password: value }) }, repository, repository, {});
    return { kind: 'password', bound };
  }
  const options: GitKeyOptions = Object.fromEntries(
    [...keys, 'sshHostKey', 'sshKnownHosts'].map((name) => [name, reader.raw(name)]),
  );
  return keyFor(options, env);
}

/** Reads which branches and tags are watched. */
function compileRefs(reader: ObjectReader, callbacks: CallbackTable): Pick<CompiledGitSource, 'branches' | 'tags'> {
  const branches = compileSelection(reader, 'branches', callbacks);
  const tags = compileSelection(reader, 'tags', callbacks);
  if (!reader.boolean('onlyTags', false)) return { branches: branches ?? 'all', ...(tags && { tags }) };
  if (branches !== null) reader.problem('branches', 'no branches beside onlyTags');
  if (reader.raw('tags') === false) reader.problem('tags', 'which tags are watched, or nothing beside onlyTags');
  return { branches: [], tags: tags ?? 'all' };
}

/** Reads which branches, or which tags, are watched. Returns null when nothing is said, or none are. */
function compileSelection(
  reader: ObjectReader,
  key: 'branches' | 'tags',
  callbacks: CallbackTable,
): RefSelection | null {
  const value = reader.raw(key);
  if (value === undefined || (key === 'tags' && value === false)) return null;
  if (value === true || value === 'all') return 'all';
  if (typeof value === 'function') return { handle: callbacks.keep(reader.at(key), value) };
  if (value instanceof RegExp) return compileExpression(value, reader, key, callbacks);
  return reader.texts(key, { expected: 'true, a list of names, an expression or a callback' });
}

/** Compiles an expression. One that takes linear time runs in the scheduler; any other becomes a callback. */
function compileExpression(
  expression: RegExp,
  reader: ObjectReader,
  key: string,
  callbacks: CallbackTable,
): RefSelection {
  const { source } = expression;
  const flags = expression.flags.replace(/[gy]/g, '');
  try {
    compilePattern(source, flags);
    return { pattern: source, flags };
  } catch (error) {
    reader.into.note(reader.at(key), `runs as a callback, which is slower: ${messageOf(error)}`, reader.where);
    const searching = new RegExp(source, flags);
    return { handle: callbacks.keep(reader.at(key), (name: string) => searching.test(name), String(expression)) };
  }
}
