import type { CommandOutcome, Renderable, Step, StepContext, StepOptions, StepOutcome } from '@millrace/config';
import { Result, UserError, worstOf } from '@millrace/domain';
import { checkRenderable, makeStep } from './make-step.js';
import { resultOf, succeeded } from './outcome.js';
import { checkEnv, type Environment } from './shell.js';

export interface GitCredentials {
  /** `git` by default. */
  readonly username?: string;
  readonly password?: string;
  /** Name of the environment variable of the engine that holds the password or token. */
  readonly passwordEnv?: string;
}

export interface GitStepOptions extends StepOptions {
  /** Without user and password: see `credentials`. */
  readonly repository: Renderable<string>;
  /** Built when the source stamp names none; the repository's default branch without it. A full ref name works too. */
  readonly branch?: Renderable<string>;
  /** `full` removes every file that is not of the revision, `incremental` (the default) leaves what earlier builds made. */
  readonly mode?: 'full' | 'incremental';
  /** For repositories over http and https. */
  readonly credentials?: GitCredentials;
  readonly submodules?: boolean;
  /** True for a depth of 1, or the depth. */
  readonly shallow?: boolean | number;
  readonly tags?: boolean;
  /** Starts once more from nothing when git fails in a folder that an earlier build left; true by default. */
  readonly clobberOnFailure?: boolean;
  /** `build` by default. */
  readonly workdir?: Renderable<string>;
  readonly env?: Environment;
  /** Without output; 1200 by default. */
  readonly timeoutSeconds?: number | null;
}

const FETCHED = 'refs/millrace/fetched';
/** In the builder's folder. The same for every build, so that the next one replaces, and removes, what a worker that died has left. */
const CREDENTIALS_FILE = '.millrace-git-credentials';
/** What `rmfile` ends with when there is no such file. */
const ENOENT = 2;

/** Names that git would take for options, or that could not be names. */
function checkedName(what: string, name: string): string {
  if (/^-|[\s~^:?*[\\]|\.\./.test(name))
    throw new UserError('bad-git-name', `${what} '${name}' is not a name that Git has`, { [what]: name });
  return name;
}

function refOf(branch: string | null): string {
  if (branch === null || branch === '') return 'HEAD';
  return branch.startsWith('refs/') ? checkedName('branch', branch) : `refs/heads/${checkedName('branch', branch)}`;
}

/** The line of a `git credential-store` file. */
function credentialLine(repository: string, { username, password, passwordEnv }: GitCredentials): string {
  const secret = password ?? (passwordEnv === undefined ? undefined : process.env[passwordEnv]);
  if (!secret) {
    const variable = passwordEnv ?? '';
    throw new UserError('no-credentials', `the environment variable '${variable}' with Git's password is not set`, {
      passwordEnv,
    });
  }
  const url = URL.canParse(repository) ? new URL(repository) : null;
  if (!url || !/^https?:$/.test(url.protocol)) {
    throw new UserError(
      'bad-credentials',
      `credentials work with http and https repositories, not with '${repository}'`,
      { repository },
    );
  }
  return `${url.protocol}//${encodeURIComponent(url.username ? decodeURIComponent(url.username) : (username ?? 'git'))}:${encodeURIComponent(secret)}@${url.host}\n`;
}

/** One checkout: knows the folder, the environment and the options that every git command gets. */
class Checkout {
  existed = false;

  constructor(
    private readonly step: StepContext,
    private readonly workdir: string,
    private readonly env: Readonly<Record<string, string | null>>,
    private readonly settings: readonly string[],
    private readonly timeoutSeconds: number | null | undefined,
  ) {}

  git(
    args: readonly string[],
    options: { capture?: { maxBytes: number }; env?: Readonly<Record<string, string>> } = {},
  ): Promise<CommandOutcome> {
    return this.step.shell({
      command: ['git', ...this.settings, ...args],
      workdir: this.workdir,
      env: { ...this.env, GIT_TERMINAL_PROMPT: '0', ...options.env },
      timeoutSeconds: this.timeoutSeconds,
      capture: options.capture,
    });
  }

  /** Everything up to a clean work tree of the revision; the outcome is that of the first command that failed, or the last. */
  async update(
    repository: string,
    branch: string | null,
    revision: string | null,
    options: GitStepOptions,
  ): Promise<CommandOutcome> {
    const init = await this.git(['init', '.'], { capture: { maxBytes: 4_096 }, env: { LC_ALL: 'C' } });
    this.existed = /^Reinitialized/m.test(init.stdout ?? '');
    if (!succeeded(init)) return init;

    const depth = options.shallow === true ? 1 : options.shallow;
    const how = [
      'fetch',
      '--force',
      '--progress',
      options.tags ? '--tags' : '--no-tags',
      ...(depth ? ['--depth', String(depth)] : []),
    ];
    const isExact = revision !== null && /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/i.test(revision);
    let target = FETCHED;
    // A server may refuse to hand out a commit by its id; the branch that holds it is the second try.
    let fetched = isExact ? await this.git([...how, '--', repository, `+${revision}:${FETCHED}`]) : null;
    if (!fetched || (resultOf(fetched) === Result.FAILURE && fetched.failureReason === null)) {
      fetched = await this.git([...how, '--', repository, `+${refOf(branch)}:${FETCHED}`]);
      if (revision) target = checkedName('revision', revision);
    }
    if (!succeeded(fetched)) return fetched;

    let last = await this.git(['checkout', '--force', '--detach', target]);
    if (succeeded(last) && options.submodules) {
      last = await this.git([
        'submodule',
        'update',
        '--init',
        '--recursive',
        '--force',
        ...(depth ? ['--depth', String(depth)] : []),
      ]);
    }
    if (succeeded(last) && options.mode === 'full') last = await this.git(['clean', '-ffdx']);
    return last;
  }
}

/**
 * Checks the build's revision out, or the head of its branch, and sets `got_revision`. Credentials travel in a file that only
 * the worker's user can read and that is deleted afterwards: no log, no command line and no environment shows them.
 */
export function git(options: GitStepOptions): Step {
  const checkOut = async (step: StepContext, file: string): Promise<StepOutcome> => {
    const repository = await step.render(options.repository);
    const workdir = await step.render(options.workdir ?? 'build');
    const env = await step.render((options.env ?? {}) as Readonly<Record<string, string | null>>);
    const branch = step.sourceStamp.branch ?? (options.branch === undefined ? null : await step.render(options.branch));
    step.setState(`checking out ${branch ?? 'the default branch'}`);
    const settings: string[] = [];
    if (options.credentials) {
      const line = credentialLine(repository, options.credentials);
      const sent = await step.download({ content: line }, { workerDest: file, mode: 0o600 });
      if (!succeeded(sent)) return { result: resultOf(sent), stateString: 'credentials not written' };
      settings.push(
        '-c',
        'credential.helper=',
        '-c',
        `credential.helper=store --file='${file.replaceAll("'", `'\\''`)}'`,
      );
    }
    const checkout = new Checkout(step, workdir, env, settings, options.timeoutSeconds);
    const update = () => checkout.update(repository, branch, step.sourceStamp.revision, options);
    let outcome = await update();
    const mayClobber = checkout.existed && (options.clobberOnFailure ?? true) && outcome.failureReason === null;
    if (resultOf(outcome) === Result.FAILURE && mayClobber) {
      const removed = await step.command(
        'rmdir',
        { paths: [step.path(workdir)], timeout: null, logEnviron: false },
        { log: 'stdio' },
      );
      outcome = succeeded(removed) ? await update() : removed;
    }
    if (!succeeded(outcome)) return { result: resultOf(outcome), stateString: 'update' };

    const head = await checkout.git(['rev-parse', 'HEAD'], { capture: { maxBytes: 4_096 } });
    const revision = head.stdout?.trim() ?? '';
    if (!succeeded(head) || !revision)
      return { result: succeeded(head) ? Result.FAILURE : resultOf(head), stateString: 'update' };
    step.properties.set('got_revision', revision, 'Git');
    return { result: Result.SUCCESS, stateString: `update ${branch ? `${branch} ` : ''}${revision.slice(0, 12)}` };
  };
  const run = async (step: StepContext): Promise<StepOutcome> => {
    const file = step.path(CREDENTIALS_FILE);
    let removed: CommandOutcome | undefined;
    let outcome: StepOutcome;
    try {
      outcome = await checkOut(step, file);
    } finally {
      if (options.credentials)
        removed = await step.command('rmfile', { path: file }, { log: 'stdio', evenIfStopped: true });
    }
    if (!removed || succeeded(removed) || removed.rc === ENOENT) return outcome;
    const stateString = `${outcome.stateString}, credentials not removed`;
    return { result: worstOf([outcome.result, resultOf(removed)]), stateString };
  };
  const { credentials, ...rest } = options;
  return makeStep(git, options, {
    kind: 'git',
    flags: { haltOnFailure: true },
    run,
    shown: {
      ...rest,
      credentials: credentials && { username: credentials.username, passwordEnv: credentials.passwordEnv },
    },
    check: (reader) => {
      const plain = reader.raw('repository');
      if (typeof plain === 'string' && /^https?:\/\/[^/]*:[^/]*@/.test(plain)) {
        const expected = 'an address without a password; give credentials: { username, passwordEnv }';
        reader.into.add(
          'repository',
          undefined,
          expected,
          reader.where,
          `repository holds a password; expected ${expected}`,
        );
      } else checkRenderable(reader, 'repository', { required: true, expected: 'the address of a Git repository' });
      checkRenderable(reader, 'branch');
      reader.oneOf('mode', ['full', 'incremental'], 'incremental');
      checkCredentials(reader);
      for (const key of ['submodules', 'tags', 'clobberOnFailure']) reader.boolean(key, false);
      if (typeof reader.raw('shallow') !== 'boolean')
        reader.number('shallow', { default: null, min: 1, integer: true });
      checkRenderable(reader, 'workdir');
      checkEnv(reader);
      reader.number('timeoutSeconds', { default: null, min: 0.001 });
    },
  });
}

/** Names no password in a problem. */
function checkCredentials(reader: Parameters<Parameters<typeof makeStep>[2]['check']>[0]): void {
  const value = reader.raw('credentials');
  if (value === undefined) return;
  const keys = typeof value === 'object' && value !== null ? Object.keys(value) : [];
  const isComplete = keys.includes('password') !== keys.includes('passwordEnv');
  const areTexts = keys.every((key) => typeof (value as Record<string, unknown>)[key] === 'string');
  if (isComplete && areTexts && keys.every((key) => ['username', 'password', 'passwordEnv'].includes(key))) return;
  const expected = '{ username?, passwordEnv } or { username?, password }';
  reader.into.add(
    'credentials',
    undefined,
    expected,
    reader.where,
    `credentials are incomplete or have another key; expected ${expected}`,
  );
}
