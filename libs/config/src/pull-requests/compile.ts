import type { CompiledPullRequestSource } from '@millrace/contracts';
import type { CallbackTable } from '../callback-table.js';
import { type ObjectReader, SHORT, TIMER_MAX_SECONDS } from '../object-reader.js';
import type { PullRequestForge } from './kind.js';

const ADDRESS = {
  accepts: (text: string) => text.length <= 190 && /^https?:\/\/[^\s@?#]+$/.test(text) && URL.canParse(text),
  expected: 'an address that begins with https:// and holds no user',
};

/**
 * Reads a poller of pull requests.
 * @param isSet whether an environment variable is set
 */
export function compilePullRequests(
  reader: ObjectReader,
  forge: PullRequestForge,
  callbacks: CallbackTable,
  isSet: (variable: string) => boolean,
): CompiledPullRequestSource {
  const apiUrl = reader.text('apiUrl', { default: forge.apiUrl, ...ADDRESS }).replace(/\/+$/, '');
  const own = forge.compile(reader);
  const filter = reader.raw('pullRequestFilter');
  if (filter !== undefined && typeof filter !== 'function')
    reader.problem('pullRequestFilter', 'a callback that gets a pull request');
  const hasAll = !reader.has('branches') || reader.raw('branches') === 'all';
  const compiled: CompiledPullRequestSource = {
    kind: forge.name,
    name: reader.text('name', {
      default: `${forge.name} of ${own.path}`,
      accepts: (text) => text !== '' && text.length <= 180,
      expected: 'a name of 1 to 180 characters',
    }),
    apiUrl,
    ...own,
    tokenEnv: reader.has('tokenEnv') ? variable(reader, isSet) : null,
    branches: hasAll ? 'all' : reader.texts('branches', { expected: "'all' or a list of branch names" }),
    repositoryType: reader.oneOf('repositoryType', ['https', 'ssh'], 'https'),
    files: reader.boolean('files', false),
    filter: typeof filter === 'function' ? callbacks.keep(reader.at('pullRequestFilter'), filter) : null,
    pollIntervalMs: Math.round(
      reader.number('pollIntervalSeconds', { default: 600, min: 0.1, max: TIMER_MAX_SECONDS }) * 1000,
    ),
    project: reader.text('project', { default: '', ...SHORT }),
    category: reader.text('category', { default: forge.category, ...SHORT }),
    codebase: reader.text('codebase', { default: '', ...SHORT }),
  };
  reader.done();
  return compiled;
}

/** Reads the name of a variable, and never shows what stands there instead: it may be the token. */
function variable(reader: ObjectReader, isSet: (name: string) => boolean): string | null {
  const name = reader.raw('tokenEnv');
  const isName = typeof name === 'string' && /^[A-Za-z_][A-Za-z0-9_]*$/.test(name);
  if (isName && isSet(name)) return name;
  const path = reader.at('tokenEnv');
  const problem = isName ? `names ${name}, which is not set` : 'has to name an environment variable';
  reader.into.add(path, undefined, 'the name of a variable that is set', reader.where, `${path} ${problem}`);
  return null;
}
