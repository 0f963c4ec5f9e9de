import {
  type BoundCredentials,
  checkGitAccess,
  checkRepository,
  type CommandOutcome,
  credentialsFor,
  type GitCredentials,
  type Renderable,
  type Step,
  type StepContext,
  type StepOptions,
  type StepOutcome,
} from '@millrace/config';
import {
  MillraceError,
  NO_SOURCE,
  Result,
  type SourceStamp,
  sourceStampOf,
  UserError,
  withCodebaseValue,
  worstOf,
} from '@millrace/domain';
import { checkRenderable, makeStep } from '../make-step.js';
import { resultOf, succeeded } from '../outcome.js';
import { PrivateGit } from './private-git.js';
import { checkEnv, type Environment } from '../shell.js';

export type { GitCredentials };

export interface GitStepOptions extends StepOptions {
  /** Without user and password: see `credentials`. */
  readonly repository: Renderable<string>;
  /** Whose source stamp is checked out. Left out: the one without a codebase, or the only one. */
  readonly codebase?: string;
  /** Built when the source stamp names none; the repository's default branch without it. A full ref name works too. */
  readonly branch?: Renderable<string>;
  /** `full` removes every file that is not of the revision, `incremental` (the default) leaves what earlier builds made. */
  readonly mode?: 'full' | 'incremental';
  /** For repositories over http and https. They are sent to `credentials.url`, or the host of a fixed `repository`, and nowhere else. */
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
/** Beside credentials as little as possible of what earlier builds have left is run. */
const WITHOUT_HOOKS = ['-c', 'core.hooksPath=/dev/null', '-c', 'core.fsmonitor=false'];
const SUBMODULES = ['submodule', 'update', '--init', '--recursive', '--force'];

/** Names that git would take for options, or that could not be names. */
function checkedName(what: string, name: string): string {
  if (name.length > 1_000 || /^-|[\u0000-\u0020\u007f~^:?*[\\]|\.\./.test(name))
    throw new UserError('bad-git-name', `${what} '${name.slice(0, 200)}' is not a name that Git has`, {
      [what]: name.slice(0, 200),
    });
  return name;
}

function refOf(branch: string | null): string {
  if (branch === null || branch === '') return 'HEAD';
  return branch.startsWith('refs/') ? checkedName('branch', branch) : `refs/heads/${checkedName('branch', branch)}`;
}

/** @throws UserError `no-source-stamp` */
function stampOf(stamps: readonly SourceStamp[], codebase: string): SourceStamp {
  const stamp = stamps.length === 0 && codebase === '' ? NO_SOURCE : sourceStampOf(stamps, codebase);
  if (stamp) return stamp;
  const known = stamps.map((one) => `'${one.codebase}'`).join(', ') || 'none';
  throw new UserError(
    'no-source-stamp',
    codebase === ''
      ? `this build has source stamps of several codebases (${known}): say which one is to be checked out, git({ codebase: … })`
      : `this build has no source stamp of the codebase '${codebase}'; there are: ${known}`,
    { codebase },
  );
}

function fixed(repository: Renderable<string>): string | null {
  return typeof repository === 'string' && !repository.includes('%(') ? repository : null;
}

type Git = (args: readonly string[]) => Promise<CommandOutcome>;

/** One checkout: knows the folder, the environment and the options that every git command gets. */
class Checkout {
  existed = false;

  constructor(
    private readonly step: StepContext,
    private readonly options: GitStepOptions,
    private readonly workdir: string,
    private readonly env: Readonly<Record<string, string | null>>,
    private readonly credentials: PrivateGit | null,
  ) {}

  git(
    args: readonly string[],
    options: { capture?: { maxBytes: number }; env?: Readonly<Record<string, string>> } = {},
  ): Promise<CommandOutcome> {
    return this.step.shell({
      command: ['git', ...(this.credentials ? WITHOUT_HOOKS : []), ...args],
      workdir: this.workdir,
      env: { ...this.env, GIT_TERMINAL_PROMPT: '0', ...options.env },
      timeoutSeconds: this.options.timeoutSeconds,
      capture: options.capture,
    });
  }

  private get depth(): string[] {
    const { shallow } = this.options;
    return shallow ? ['--depth', String(shallow === true ? 1 : shallow)] : [];
  }

  /** Everything up to a clean work tree of the revision; the outcome is that of the first command that failed, or the last. */
  async update(repository: string, branch: string | null, revision: string | null): Promise<CommandOutcome> {
    const init = await this.git(['init', '.'], { capture: { maxBytes: 4_096 }, env: { LC_ALL: 'C' } });
    this.existed = /^Reinitialized/m.test(init.stdout ?? '');
    if (!succeeded(init)) return init;

    let fetched: Fetched;
    if (!this.credentials) fetched = await this.fetch((args) => this.git(args), repository, branch, revision);
    else {
      const apart = this.credentials;
      // A shallow history is no base for another fetch.
      const objects = this.existed && !this.options.shallow ? this.step.path(this.workdir, '.git', 'objects') : null;
      const prepared = await apart.prepare(objects);
      if (!succeeded(prepared)) return prepared;
      fetched = await apart.withCredentials((git) => this.fetch(git, repository, branch, revision));
      if (succeeded(fetched.outcome)) fetched = { ...fetched, outcome: await this.takeOver(apart.repository) };
    }
    if (!succeeded(fetched.outcome)) return fetched.outcome;

    let last = await this.git(['checkout', '--force', '--detach', fetched.target]);
    if (succeeded(last) && this.options.submodules) last = await this.updateSubmodules(repository);
    if (succeeded(last) && this.options.mode === 'full') last = await this.git(['clean', '-ffdx']);
    return last;
  }

  private async fetch(git: Git, repository: string, branch: string | null, revision: string | null): Promise<Fetched> {
    const how = ['fetch', '--force', '--progress', this.options.tags ? '--tags' : '--no-tags', ...this.depth];
    const isExact = revision !== null && /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/i.test(revision);
    let target = FETCHED;
    // A server may refuse to hand out a commit by its id; the branch that holds it is the second try.
    let outcome = isExact ? await git([...how, '--', repository, `+${revision}:${FETCHED}`]) : null;
    if (!outcome || (resultOf(outcome) === Result.FAILURE && outcome.failureReason === null)) {
      outcome = await git([...how, '--', repository, `+${refOf(branch)}:${FETCHED}`]);
      if (revision) target = checkedName('revision', revision);
    }
    return { outcome, target };
  }

  /** What was fetched apart comes into the checkout. */
  private takeOver(repository: string): Promise<CommandOutcome> {
    const refs = [`+${FETCHED}:${FETCHED}`, ...(this.options.tags ? ['+refs/tags/*:refs/tags/*'] : [])];
    return this.git(['fetch', '--quiet', '--force', '--no-tags', '--update-shallow', '--', repository, ...refs]);
  }

  private async updateSubmodules(repository: string): Promise<CommandOutcome> {
    const apart = this.credentials;
    if (!apart) return await this.git([...SUBMODULES, ...this.depth]);
    const listed = await this.git(['ls-tree', '--name-only', 'HEAD', '.gitmodules'], { capture: { maxBytes: 4_096 } });
    if (!succeeded(listed) || listed.stdout?.trim() === '') return listed;
    // Without a way out: what earlier builds have fetched is enough, or it is not.
    const local = () => this.git([...SUBMODULES, '--no-fetch'], { env: { GIT_ALLOW_PROTOCOL: 'none' } });
    if (this.existed) {
      const updated = await local();
      if (succeeded(updated) || resultOf(updated) !== Result.FAILURE) return updated;
    }
    const head = await this.git(['rev-parse', 'HEAD'], { capture: { maxBytes: 4_096 } });
    const revision = head.stdout?.trim() ?? '';
    if (!succeeded(head) || !/^[0-9a-f]{40,64}$/.test(revision)) return head;
    // Once more from nothing: filters that an earlier build has left may have run since.
    const prepared = await apart.prepare(this.step.path(this.workdir, '.git', 'objects'));
    if (!succeeded(prepared)) return prepared;
    const fresh = this.step.path(apart.repository, '.git', 'modules');
    const made = await this.step.command('mkdir', { paths: [fresh] }, { log: 'stdio' });
    if (!succeeded(made)) return made;
    const fetched = await apart.withCredentials(async (git) => {
      // What relative addresses of submodules start from.
      const named = await git(['config', 'remote.origin.url', repository]);
      const index = succeeded(named) ? await git(['read-tree', revision]) : named;
      const listing = succeeded(index) ? await git(['checkout-index', '--force', '.gitmodules']) : index;
      return { outcome: succeeded(listing) ? await git([...SUBMODULES, ...this.depth]) : listing };
    });
    if (!succeeded(fetched.outcome)) return fetched.outcome;
    const modules = this.step.path(this.workdir, '.git', 'modules');
    const removed = await this.step.command(
      'rmdir',
      { paths: [modules], timeout: null, logEnviron: false },
      { log: 'stdio' },
    );
    if (!succeeded(removed)) return removed;
    const copied = await this.step.command(
      'cpdir',
      {
        from_path: fresh,
        to_path: modules,
        timeout: null,
        logEnviron: false,
      },
      { log: 'stdio' },
    );
    return succeeded(copied) ? await local() : copied;
  }
}

interface Fetched {
  readonly outcome: CommandOutcome;
  /** What to check out. */
  readonly target: string;
}

/**
 * Checks the build's revision out, or the head of its branch, and sets `got_revision`. Credentials are bound to a place, and are never near a
 * folder in which code of an earlier build ran: see `PrivateGit`.
 */
export function git(options: GitStepOptions): Step {
  const checkOut = async (
    step: StepContext,
    repository: string,
    stamp: SourceStamp,
    env: Readonly<Record<string, string | null>>,
    credentials: PrivateGit | null,
  ): Promise<StepOutcome> => {
    const workdir = await step.renderPath(options.workdir ?? 'build');
    const branch = stamp.branch ?? (options.branch === undefined ? null : await step.render(options.branch));
    step.setState(`checking out ${branch ?? 'the default branch'}`);
    const checkout = new Checkout(step, options, workdir, env, credentials);
    const update = () => checkout.update(repository, branch, stamp.revision);
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
    const got = withCodebaseValue(step.properties.get('got_revision'), options.codebase ?? '', revision);
    step.properties.set('got_revision', got, 'Git');
    return { result: Result.SUCCESS, stateString: `update ${branch ? `${branch} ` : ''}${revision.slice(0, 12)}` };
  };
  const run = async (step: StepContext): Promise<StepOutcome> => {
    const repository = await step.render(options.repository);
    const env = await step.render((options.env ?? {}) as Readonly<Record<string, string | null>>);
    let bound: BoundCredentials | null = null;
    let stamp: SourceStamp;
    try {
      stamp = stampOf(step.sourceStamps, options.codebase ?? '');
      checkRepository(repository);
      if (options.credentials)
        bound = credentialsFor(options.credentials, repository, fixed(options.repository), process.env);
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error;
      await step.log('err.text').append(`${error.message}\n`);
      return { result: Result.EXCEPTION, stateString: REFUSED[error.code] ?? 'update' };
    }
    if (!bound) return await checkOut(step, repository, stamp, env, null);
    const credentials = new PrivateGit(step, bound, env, options.timeoutSeconds);
    let outcome: StepOutcome | null = null;
    let removed: CommandOutcome;
    try {
      outcome = await checkOut(step, repository, stamp, env, credentials);
    } finally {
      removed = await credentials.remove();
    }
    if (succeeded(removed)) return outcome;
    const stateString = `${outcome.stateString}, credentials not removed`;
    return { result: worstOf([outcome.result, resultOf(removed)]), stateString };
  };
  const { credentials, ...rest } = options;
  return makeStep(git, options, {
    kind: 'git',
    flags: { haltOnFailure: true },
    ...(options.codebase !== undefined && { codebase: options.codebase }),
    ...(credentials?.passwordEnv !== undefined && { variables: [credentials.passwordEnv] }),
    run,
    shown: {
      ...rest,
      credentials: credentials && {
        url: credentials.url,
        username: credentials.username,
        passwordEnv: credentials.passwordEnv,
      },
    },
    check: (reader) => {
      checkRenderable(reader, 'repository', { required: true, expected: 'the address of a Git repository' });
      checkGitAccess(reader);
      reader.text('codebase', {
        default: '',
        accepts: (name) => name.length <= 190,
        expected: 'a string of at most 190 characters',
      });
      checkRenderable(reader, 'branch');
      reader.oneOf('mode', ['full', 'incremental'], 'incremental');
      for (const key of ['submodules', 'tags', 'clobberOnFailure']) reader.boolean(key, false);
      if (typeof reader.raw('shallow') !== 'boolean')
        reader.number('shallow', { default: null, min: 1, integer: true });
      checkRenderable(reader, 'workdir');
      checkEnv(reader);
      reader.number('timeoutSeconds', { default: null, min: 0.001 });
    },
  });
}

const REFUSED: Readonly<Record<string, string>> = {
  'secret-in-address': "the repository's address holds a secret",
  'bad-credentials': 'the credentials are not for this repository',
  'no-credentials': 'the credentials are not set',
  'no-source-stamp': 'no source stamp to check out',
};
