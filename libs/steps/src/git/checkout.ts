import type { CommandOutcome, StepContext } from '@millrace/config';
import { type Patch, Result } from '@millrace/domain';
import { resultOf, succeeded } from '../outcome.js';
import { CAPTURED, type Git, type PrivateGit } from './private-git.js';
import type { Failure, Measure } from './repair.js';
import { FETCHED, type Fetch, firstFetch, furtherFetches, listedRefs, refsOf, type Wanted } from './wanted.js';

/** Options of a checkout. */
export interface CheckoutOptions {
  readonly repository: string;
  readonly wanted: Wanted;
  /** The checkout's folder, in the form that a step uses. */
  readonly workdir: string;
  readonly env: Readonly<Record<string, string | null>>;
  /** Settings that precede git's command: `-c NAME=VALUE`. */
  readonly settings: readonly string[];
  readonly timeoutSeconds: number | null | undefined;
  readonly submodules: boolean;
  readonly tags: boolean;
  readonly progress: boolean;
  /** Null for the complete history. */
  readonly depth: number | null;
  /** Filters of a partial clone. */
  readonly filters: readonly string[];
  /** A repository on the worker whose objects need not be fetched. */
  readonly reference: string | null;
  /** Which files that do not belong to the revision are removed. Ignored files are those that `.gitignore` names. */
  readonly clean: 'nothing' | 'all but ignored' | 'everything';
  /** Fetches when credentials are needed. */
  readonly apart: PrivateGit | null;
}

/** A failure, with the command that reports it. */
export interface Trouble {
  readonly failure: Failure;
  readonly outcome: CommandOutcome;
}

/** Settings used beside credentials, so that as little as possible of what earlier builds have left is run. */
const WITHOUT_HOOKS = ['-c', 'core.hooksPath=/dev/null', '-c', 'core.fsmonitor=false'];
/** Settings of every command: nothing goes on in the background, and the user's own settings do not affect submodules. */
const SETTINGS = ['-c', 'gc.autoDetach=false', '-c', 'maintenance.autoDetach=false', '-c', 'submodule.recurse=false'];
const SYNC = ['submodule', 'sync', '--recursive'];
const UPDATE = ['submodule', 'update', '--init', '--recursive', '--force', '--checkout'];
/** The depth by which git itself records a complete history. */
const WHOLE_HISTORY = 2_147_483_647;
const MOST_LOCKS = 1_000;
const MOST_MODULES = 200;
const NEVER_REMOTE = { GIT_ALLOW_PROTOCOL: 'none' };

/** Whether a command ended by itself with a failure, so that something can be done about it. */
export function isPlainFailure(outcome: CommandOutcome): boolean {
  return resultOf(outcome) === Result.FAILURE && outcome.failureReason === null;
}

/** One checkout on the worker, with the git commands that make, inspect and repair it. */
export class Checkout {
  /** True when an earlier build left the checkout. */
  existed = false;

  constructor(
    private readonly step: StepContext,
    private readonly options: CheckoutOptions,
  ) {}

  /** Updates the checkout to the wanted revision. Returns what went wrong, or null. */
  async update(): Promise<Trouble | null> {
    this.existed = false;
    let trouble = await this.open();
    trouble ??= this.options.apart
      ? await this.fetchApart(this.options.apart)
      : await this.fetch((...args) => this.git(...args));
    trouble ??= await this.checkOut();
    if (this.options.submodules) trouble ??= await this.updateSubmodules();
    trouble ??= await this.clean();
    return trouble;
  }

  /** Runs a git command in the checkout. */
  git(
    args: readonly string[],
    {
      capture = false,
      env = {},
      log = 'stdio',
      stdin,
    }: { capture?: boolean; env?: Readonly<Record<string, string>>; log?: null | 'stdio'; stdin?: string } = {},
  ): Promise<CommandOutcome> {
    const { workdir, settings, apart } = this.options;
    return this.step.shell({
      command: ['git', ...settings, ...SETTINGS, ...(apart ? WITHOUT_HOOKS : []), ...args],
      workdir,
      // When the folder has no repository, git must not find one further up.
      env: { ...this.options.env, GIT_TERMINAL_PROMPT: '0', GIT_CEILING_DIRECTORIES: this.path('..'), ...env },
      timeoutSeconds: this.options.timeoutSeconds,
      log,
      ...(capture && { capture: CAPTURED }),
      ...(stdin !== undefined && { stdin }),
    });
  }

  /**
   * Applies a patch, all of it or nothing. What it adds is in Git's index, so that the next update removes it.
   * @param patch checked by `checkPatch`
   */
  apply({ body, level, subdir }: Patch): Promise<CommandOutcome> {
    const folder = subdir === '' || subdir === '.' ? [] : [`--directory=${subdir}`];
    // What does not apply is shown because of `--verbose`.
    const how = ['apply', '--index', '--verbose', '--whitespace=nowarn', `-p${level}`, ...folder, '-'];
    return this.git(how, { stdin: body.endsWith('\n') ? body : `${body}\n` });
  }

  private path(...parts: string[]): string {
    return this.step.path(this.options.workdir, ...parts);
  }

  private async open(): Promise<Trouble | null> {
    const { repository, reference } = this.options;
    const pointAtOrigin = ['config', '--replace-all', 'remote.origin.url', repository];
    // Nearly always the remote exists, and this is all. When it does not, nobody has to see the error.
    if (succeeded(await this.git(pointAtOrigin, { log: null }))) {
      this.existed = true;
      return null;
    }
    this.existed = succeeded(await this.step.command('stat', { path: this.path('.git') }));
    const made = await this.makeRepository();
    if (!succeeded(made)) return await this.judge(made, 'open');
    return reference === null || this.existed ? null : await this.borrowFrom(reference);
  }

  /** Makes the repository, in the existing folder if there is one. */
  private async makeRepository(): Promise<CommandOutcome> {
    let last = await this.git(['init', '--quiet', '.']);
    if (!succeeded(last)) return last;
    if (!this.existed) return await this.git(['remote', 'add', 'origin', this.options.repository]);
    const origin = { url: this.options.repository, fetch: '+refs/heads/*:refs/remotes/origin/*' };
    for (const [name, value] of Object.entries(origin))
      if (succeeded(last)) last = await this.git(['config', '--replace-all', `remote.origin.${name}`, value]);
    return last;
  }

  /** Distinguishes a failure of git itself to run from a failure of its command. */
  private async judge(outcome: CommandOutcome, failure: Failure): Promise<Trouble> {
    if (!isPlainFailure(outcome)) return { failure, outcome };
    const version = await this.elsewhere(['--version']);
    return { failure: succeeded(version) ? failure : 'git', outcome };
  }

  /** Runs a git command where nothing in the checkout affects it. */
  private elsewhere(args: readonly string[], capture = false): Promise<CommandOutcome> {
    return this.step.shell({
      command: ['git', ...this.options.settings, ...args],
      workdir: this.step.path(),
      env: { ...this.options.env, GIT_TERMINAL_PROMPT: '0', GIT_CEILING_DIRECTORIES: this.step.path('..') },
      timeoutSeconds: this.options.timeoutSeconds,
      ...(capture && { capture: CAPTURED }),
    });
  }

  /** Uses the objects of a reference repository. Without it everything is fetched, which is slower and no failure. */
  private async borrowFrom(reference: string): Promise<Trouble | null> {
    for (const objects of [this.step.path(reference, '.git', 'objects'), this.step.path(reference, 'objects')]) {
      if (!succeeded(await this.step.command('stat', { path: objects }))) continue;
      const alternates = this.path('.git', 'objects', 'info', 'alternates');
      const written = await this.step.download({ content: `${objects}\n` }, { workerDest: alternates });
      return succeeded(written) ? null : { failure: 'worker', outcome: written };
    }
    await this.step
      .log('repair')
      .append(`there is no repository at ${reference}, the reference: everything is fetched\n`);
    return null;
  }

  private async fetchApart(apart: PrivateGit): Promise<Trouble | null> {
    // A shallow history is no base for another fetch.
    const isBase = this.options.depth === null && (this.existed || this.options.reference !== null);
    const prepared = await apart.prepare(isBase ? this.path('.git', 'objects') : null);
    if (!succeeded(prepared)) return { failure: 'worker', outcome: prepared };
    const fetched = await apart.withAccess((git) => this.fetch(git));
    if (fetched.kind === 'failed') return { failure: 'worker', outcome: fetched.outcome };
    if (fetched.value) return fetched.value;
    const refs = [`+${FETCHED}:${FETCHED}`, ...(this.options.tags ? ['+refs/tags/*:refs/tags/*'] : [])];
    const how = ['fetch', '--quiet', '--force', '--no-tags', '--no-recurse-submodules', '--update-shallow', '--'];
    const taken = await this.git([...how, apart.repository, ...refs]);
    return succeeded(taken) ? null : { failure: 'files', outcome: taken };
  }

  /** Fetches the wanted revision to `FETCHED`. */
  private async fetch(git: Git): Promise<Trouble | null> {
    const { wanted, repository } = this.options;
    let trouble = await this.fetchOne(git, firstFetch(wanted));
    if (!trouble || !isPlainFailure(trouble.outcome)) return trouble;
    // Asks the server why the fetch failed. Not in the checkout, which may itself be the reason.
    const ask = ['ls-remote', '--', repository, ...refsOf(wanted)];
    const listed = this.options.apart ? await git(ask, { capture: true }) : await this.elsewhere(ask, true);
    if (!succeeded(listed)) return { failure: 'server', outcome: listed };
    const further = furtherFetches(wanted, listedRefs(listed.stdout ?? ''));
    if (!further) return { failure: 'name', outcome: trouble.outcome };
    for (const next of further) {
      trouble = await this.fetchOne(git, next);
      if (!trouble || !isPlainFailure(trouble.outcome)) return trouble;
    }
    return trouble;
  }

  private async fetchOne(git: Git, { refspecs, target }: Fetch): Promise<Trouble | null> {
    const { repository, tags, progress, filters, depth } = this.options;
    const fetched = await git([
      'fetch',
      '--force',
      '--no-recurse-submodules',
      progress ? '--progress' : '--no-progress',
      tags ? '--tags' : '--no-tags',
      // A revision that has to be searched for may be anywhere in the history.
      ...(depth === null ? [] : ['--depth', String(target === FETCHED ? depth : WHOLE_HISTORY)]),
      ...filters.map((filter) => `--filter=${filter}`),
      ...(refspecs.length > 1 ? ['--prune'] : []),
      '--',
      // git finds the rest of a partial clone by the name of the remote.
      filters.length > 0 ? 'origin' : repository,
      ...refspecs,
    ]);
    if (!succeeded(fetched)) return { failure: 'fetch', outcome: fetched };
    if (target === FETCHED) return null;
    const found = await git(['rev-parse', '--verify', '--quiet', `${target}^{commit}`], { capture: true });
    if (!succeeded(found)) return { failure: 'revision', outcome: found };
    const kept = await git(['update-ref', FETCHED, found.stdout!.trim()]);
    return succeeded(kept) ? null : { failure: 'fetch', outcome: kept };
  }

  private async checkOut(): Promise<Trouble | null> {
    const checkOut = () => this.git(['checkout', '--force', '--detach', FETCHED]);
    let outcome = await checkOut();
    if (isPlainFailure(outcome)) {
      // The filter of Git LFS asks a server during the checkout. Fetching its files here tells its failures apart.
      const uses = await this.git(['grep', '--quiet', '-e', 'filter=lfs', FETCHED, '--', ':(glob)**/.gitattributes']);
      if (succeeded(uses)) {
        const trouble = await this.fetchLfs();
        if (trouble) return trouble;
        outcome = await checkOut();
      }
    }
    return succeeded(outcome) ? null : { failure: 'files', outcome };
  }

  private async fetchLfs(): Promise<Trouble | null> {
    const { apart, repository } = this.options;
    const fetch = ['lfs', 'fetch', 'origin', FETCHED];
    if (!apart) {
      const fetched = await this.git(fetch);
      return succeeded(fetched) ? null : { failure: 'lfs', outcome: fetched };
    }
    const settings = ['-c', `remote.origin.url=${repository}`, '-c', `lfs.storage=${this.path('.git', 'lfs')}`];
    const fetched = await apart.withAccess((git) => git([...settings, ...fetch]));
    if (fetched.kind === 'failed') return { failure: 'worker', outcome: fetched.outcome };
    return succeeded(fetched.value) ? null : { failure: 'lfs', outcome: fetched.value };
  }

  private updateSubmodules(): Promise<Trouble | null> {
    const { apart } = this.options;
    return apart ? this.updateSubmodulesApart(apart) : this.updateSubmodulesHere();
  }

  private get moduleDepth(): string[] {
    const { depth } = this.options;
    return depth === null ? [] : ['--depth', String(depth)];
  }

  private async updateSubmodulesHere(): Promise<Trouble | null> {
    const update = () => this.git([...UPDATE, ...this.moduleDepth]);
    let outcome = this.existed ? await this.git(SYNC) : null;
    if (!outcome || succeeded(outcome)) outcome = await update();
    if (this.existed && isPlainFailure(outcome)) {
      // A submodule inside another one may have moved, which is known only now.
      outcome = await this.git(SYNC);
      if (succeeded(outcome)) outcome = await update();
    }
    return succeeded(outcome) ? null : { failure: 'submodules', outcome };
  }

  private async updateSubmodulesApart(apart: PrivateGit): Promise<Trouble | null> {
    const listed = await this.git(['ls-tree', '--name-only', 'HEAD', '.gitmodules'], { capture: true });
    if (!succeeded(listed)) return { failure: 'files', outcome: listed };
    if (listed.stdout?.trim() === '') return null;
    // Without the network: either what earlier builds have fetched is enough, or the update fails.
    const local = () => this.git([...UPDATE, '--no-fetch'], { env: NEVER_REMOTE });
    if (this.existed) {
      const synced = await this.git(SYNC);
      const updated = succeeded(synced) ? await local() : synced;
      if (succeeded(updated)) return null;
      if (!isPlainFailure(updated)) return { failure: 'submodules', outcome: updated };
    }
    const head = await this.git(['rev-parse', 'HEAD'], { capture: true });
    const revision = head.stdout?.trim() ?? '';
    if (!succeeded(head) || !/^[0-9a-f]{40,64}$/.test(revision)) return { failure: 'files', outcome: head };
    // Prepared again, because filters that an earlier build has left may have run since.
    const prepared = await apart.prepare(this.path('.git', 'objects'));
    if (!succeeded(prepared)) return { failure: 'worker', outcome: prepared };
    const fresh = this.step.path(apart.repository, '.git', 'modules');
    const made = await this.step.command('mkdir', { paths: [fresh] }, { log: 'stdio' });
    if (!succeeded(made)) return { failure: 'worker', outcome: made };
    const fetched = await apart.withAccess(async (git) => {
      // Relative addresses of submodules are based on it.
      const named = await git(['config', 'remote.origin.url', this.options.repository]);
      const index = succeeded(named) ? await git(['read-tree', revision]) : named;
      const listing = succeeded(index) ? await git(['checkout-index', '--force', '.gitmodules']) : index;
      return succeeded(listing) ? await git([...UPDATE, ...this.moduleDepth]) : listing;
    });
    if (fetched.kind === 'failed') return { failure: 'worker', outcome: fetched.outcome };
    if (!succeeded(fetched.value)) return { failure: 'submodules', outcome: fetched.value };
    const replaced = await this.replaceBy(fresh, this.path('.git', 'modules'));
    if (!succeeded(replaced)) return { failure: 'worker', outcome: replaced };
    const updated = await local();
    return succeeded(updated) ? null : { failure: 'files', outcome: updated };
  }

  private async clean(): Promise<Trouble | null> {
    const { clean, submodules } = this.options;
    if (clean === 'nothing') return null;
    const how = clean === 'everything' ? '-ffdx' : '-ffd';
    let outcome = await this.git(['clean', how]);
    if (succeeded(outcome) && submodules)
      outcome = await this.git(['submodule', 'foreach', '--quiet', '--recursive', `git clean ${how}`]);
    return succeeded(outcome) ? null : { failure: 'files', outcome };
  }

  /** Removes the contents of a folder, if there are any, and copies another folder there. */
  async replaceBy(from: string, to: string): Promise<CommandOutcome> {
    const removed = await this.removeFolder(to);
    if (!succeeded(removed)) return removed;
    const copy = { from_path: from, to_path: to, timeout: null, logEnviron: false };
    return await this.step.command('cpdir', copy, { log: 'stdio' });
  }

  removeFolder(folder: string): Promise<CommandOutcome> {
    return this.step.command('rmdir', { paths: [folder], timeout: null, logEnviron: false }, { log: 'stdio' });
  }

  /**
   * Takes a measure.
   * @returns what was found or done, as text for people; null when it had no effect
   */
  async take(measure: Exclude<Measure, 'inspect'>): Promise<string | null> {
    switch (measure) {
      case 'unlock': {
        const removed = await this.unlock();
        return removed.length === 0 ? null : `removed what a killed git had left: ${removed.slice(0, 20).join(', ')}`;
      }
      case 'reconfigure': {
        if (!(await this.removeFile(this.path('.git', 'config')))) return null;
        // If it fails, the next update reports it.
        await this.makeRepository();
        return 'made the configuration of the checkout anew';
      }
      case 'remake': {
        const removed = await this.removeFolder(this.path());
        return succeeded(removed) ? 'removed the checkout to make it anew' : null;
      }
    }
  }

  /** Removes locks. Nobody else works in the folder, so nobody would ever remove them. */
  private async unlock(): Promise<string[]> {
    const locks = await this.find('**', '*.lock');
    const removed: string[] = [];
    for (const lock of locks.slice(0, MOST_LOCKS)) if (await this.removeFile(lock)) removed.push(lock);
    return removed;
  }

  private async removeFile(path: string): Promise<boolean> {
    return succeeded(await this.step.command('rmfile', { path }));
  }

  /** Finds paths below `.git`. */
  private async find(...pattern: string[]): Promise<readonly string[]> {
    const literal = this.path('.git').replace(/[*?[]/g, '[$&]');
    const { files = [] } = await this.step.command('glob', { path: this.step.path(literal, ...pattern) });
    return [...files].sort();
  }

  /** Whether git finds everything it needs in the repository and its submodules, and can write there. */
  async isSound(): Promise<boolean> {
    const check = ['fsck', '--connectivity-only', '--no-dangling', '--progress'];
    if (!succeeded(await this.git(['hash-object', '-w', '--no-filters', '.git/HEAD']))) return false;
    if (!succeeded(await this.git(check))) return false;
    const modules = (await this.find('modules', '**', 'objects')).map((objects) =>
      objects.replace(/[\\/]objects$/, ''),
    );
    for (const module of modules.slice(0, MOST_MODULES))
      if (!succeeded(await this.git([`--git-dir=${module}`, ...check]))) return false;
    return true;
  }
}
