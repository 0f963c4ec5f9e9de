import {
  checkGitAccess,
  checkGitKey,
  type GitCredentials,
  type GitKeyOptions,
  type ObjectReader,
  type Renderable,
  type StepOptions,
} from '@millrace/config';
import { checkRenderable, isRenderable } from '../make-step.js';
import { checkEnv, type Environment } from '../shell.js';

export type { GitCredentials };

/** Options of `git describe`, by Buildbot's names. */
export interface GitDescription {
  readonly all?: boolean;
  readonly always?: boolean;
  readonly contains?: boolean;
  readonly dirty?: boolean | string;
  readonly exactMatch?: boolean;
  readonly firstParent?: boolean;
  readonly long?: boolean;
  readonly tags?: boolean;
  readonly abbrev?: number;
  readonly candidates?: number;
  readonly match?: string;
  readonly exclude?: string;
}

export interface GitStepOptions extends StepOptions, GitKeyOptions {
  /** Address without user and password: see `credentials`. */
  readonly repository: Renderable<string>;
  /** Codebase whose source stamp is checked out. Default: the main source stamp, which is the unnamed or the only one. */
  readonly codebase?: string;
  /** Branch to build when the source stamp has none. Default: the repository's default branch. A tag or a full ref name works too. */
  readonly branch?: Renderable<string>;
  /** Build the head of the branch, whatever revision the source stamp has. */
  readonly alwaysUseLatest?: boolean;
  /**
   * `full` removes files that do not belong to the revision, according to `method`. `incremental` (the default) keeps what earlier builds
   * made.
   */
  readonly mode?: 'full' | 'incremental';
  /**
   * For the mode `full`: `fresh` (the default) removes every file that does not belong to the revision, `clean` all except ignored ones,
   * `clobber` the whole folder beforehand; `copy` updates a checkout in `source` and builds in a copy of it.
   */
  readonly method?: 'fresh' | 'clean' | 'clobber' | 'copy';
  /** For repositories over http and https. They are sent to `credentials.url`, or the host of a fixed `repository`, and nowhere else. */
  readonly credentials?: GitCredentials;
  readonly submodules?: boolean;
  /** True for a depth of 1, or the depth. */
  readonly shallow?: boolean | number;
  /** Filters of a partial clone, such as `blob:none`. */
  readonly filters?: readonly string[];
  /** A repository on the worker whose objects are used instead of fetching them. */
  readonly reference?: Renderable<string>;
  readonly tags?: boolean;
  /** Show the progress of a fetch, which also keeps `timeoutSeconds` from ending a long one. Default true. */
  readonly progress?: boolean;
  /** Set the property `commit-description` to the output of `git describe`. */
  readonly getDescription?: boolean | GitDescription;
  /** Settings for every git command. */
  readonly config?: Readonly<Record<string, Renderable<string>>>;
  /** What to do when an update fails, after all repairs. */
  readonly retry?: { readonly delaySeconds: number; readonly repeats: number };
  /** Remake a checkout that is certainly broken. Default true. */
  readonly clobberOnFailure?: boolean;
  /** Default `build`. */
  readonly workdir?: Renderable<string>;
  readonly env?: Environment;
  /** Limit of the time without output. Default 1200. */
  readonly timeoutSeconds?: number | null;
}

const DESCRIPTION_FLAGS = ['all', 'always', 'contains', 'exactMatch', 'firstParent', 'long', 'tags'] as const;
const DESCRIPTION_NUMBERS = ['abbrev', 'candidates'] as const;
const DESCRIPTION_TEXTS = ['match', 'exclude'] as const;

/** Returns the arguments of `git describe`. */
export function describeArguments(description: true | GitDescription): string[] {
  if (description === true) return ['HEAD'];
  const dashed = (key: string): string => `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  const { dirty } = description;
  return [
    ...DESCRIPTION_FLAGS.filter((key) => description[key]).map(dashed),
    ...[...DESCRIPTION_NUMBERS, ...DESCRIPTION_TEXTS].flatMap((key) =>
      description[key] === undefined ? [] : [`${dashed(key)}=${description[key]}`],
    ),
    // With `--dirty` git describes the work tree's `HEAD` and accepts no other name.
    ...(dirty ? [dirty === true ? '--dirty' : `--dirty=${dirty}`] : ['HEAD']),
  ];
}

/** Returns the variables of the engine's environment that the step reads. */
export function variablesOf({ credentials, sshPrivateKeyEnv }: GitStepOptions): string[] {
  return [credentials?.passwordEnv, sshPrivateKeyEnv].filter((name) => name !== undefined);
}

/** Returns the options without secrets. */
export function shownOptions({ credentials, sshPrivateKey, ...rest }: GitStepOptions): unknown {
  const { url, username, passwordEnv } = credentials ?? {};
  return {
    ...rest,
    credentials: credentials && { url, username, passwordEnv },
    ...(sshPrivateKey !== undefined && { sshPrivateKey: '***' }),
  };
}

/** Checks every option. */
export function checkGitOptions(reader: ObjectReader): void {
  checkRenderable(reader, 'repository', { required: true, expected: 'the address of a Git repository' });
  checkGitAccess(reader);
  const keys = checkGitKey(reader);
  if (keys.length > 0 && reader.has('filters'))
    reader.problem('filters', 'no SSH key beside it: what is left out is fetched later, without the key');
  reader.text('codebase', {
    default: '',
    accepts: (name) => name.length <= 190,
    expected: 'a string of at most 190 characters',
  });
  checkRenderable(reader, 'branch');
  const mode = reader.oneOf('mode', ['full', 'incremental'], 'incremental');
  if (reader.has('method')) {
    reader.oneOf('method', ['fresh', 'clean', 'clobber', 'copy']);
    if (mode !== 'full') reader.problem('method', "mode: 'full' beside it");
  }
  for (const key of ['submodules', 'tags', 'clobberOnFailure', 'alwaysUseLatest', 'progress'])
    reader.boolean(key, false);
  if (typeof reader.raw('shallow') !== 'boolean') reader.number('shallow', { default: null, min: 1, integer: true });
  if (reader.texts('filters').some((filter) => filter.startsWith('-')))
    reader.problem('filters', "filters such as 'blob:none'");
  if (reader.has('filters') && reader.has('credentials'))
    reader.problem('filters', 'no credentials beside it: what is left out is fetched later, without them');
  checkRenderable(reader, 'reference');
  checkDescription(reader);
  reader.record('config', (value) => value === '' || isRenderable(value), 'a string, a template or a callback');
  const names = Object.keys(reader.raw('config') ?? {});
  const misnamed = names.find((name) => !/^[a-z][a-z0-9-]*\.[^=\n]+$/i.test(name));
  if (misnamed !== undefined)
    reader.problem(
      'config',
      "names of Git's settings, such as 'http.proxy'",
      `${reader.at('config')} has '${misnamed}', which is no name of a setting of Git`,
    );
  checkRetry(reader);
  checkRenderable(reader, 'workdir');
  checkEnv(reader);
  reader.number('timeoutSeconds', { default: null, min: 0.001 });
}

function checkDescription(reader: ObjectReader): void {
  const value = reader.raw('getDescription');
  if (value === undefined || typeof value === 'boolean') return;
  const description = reader.inner('getDescription');
  for (const key of DESCRIPTION_FLAGS) description.boolean(key, false);
  for (const key of DESCRIPTION_NUMBERS) description.number(key, { default: null, min: 0, integer: true });
  for (const key of DESCRIPTION_TEXTS) description.optionalText(key);
  if (typeof description.raw('dirty') !== 'boolean') description.optionalText('dirty');
  description.done();
}

function checkRetry(reader: ObjectReader): void {
  if (!reader.has('retry')) return;
  const retry = reader.inner('retry');
  retry.number('delaySeconds', { default: 0, min: 0, max: 86_400 });
  retry.number('repeats', { default: 0, min: 0, max: 100, integer: true });
  retry.done();
}
