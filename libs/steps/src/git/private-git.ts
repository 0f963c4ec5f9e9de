import {
  type CommandOutcome,
  type GitAccess,
  keyEnvironment,
  keyFiles,
  quotedForGit,
  type StepContext,
} from '@millrace/config';
import { succeeded } from '../outcome.js';

/** Folder below the builder's folder. The name is constant, so that the next build removes what a dead worker has left. */
const FOLDER = '.millrace-git';

/** Runs a git command, with its name first. `capture`: return the standard output. */
export type Git = (args: readonly string[], options?: { readonly capture?: boolean }) => Promise<CommandOutcome>;

/** Limit of captured output, more than the requested refs and names need. */
export const CAPTURED = { maxBytes: 64 << 10 };

export interface PrivateGitParts {
  readonly step: StepContext;
  readonly access: GitAccess;
  readonly env: Readonly<Record<string, string | null>>;
  /** Settings that precede git's command: `-c NAME=VALUE`. */
  readonly settings: readonly string[];
  readonly timeoutSeconds: number | null | undefined;
}

export type WithAccess<T> =
  | { readonly kind: 'done'; readonly value: T }
  /** The credentials could not be written or removed. */
  | { readonly kind: 'failed'; readonly outcome: CommandOutcome };

/**
 * Git with credentials, on a worker on which code of other builds has run: in a newly made folder, in a repository of its own. What a build
 * may have left in a checkout or in its user's home (configuration, hooks, filters, links) has no effect on it. The system's configuration
 * has: it belongs to the administrator.
 *
 * The credentials are in files while a command needs them, and git uses a password only within its scope, so neither a redirect nor a
 * submodule elsewhere gets it. They are in no log, no command line and no environment.
 */
export class PrivateGit {
  private readonly folder: string;
  readonly repository: string;

  constructor(private readonly parts: PrivateGitParts) {
    this.folder = parts.step.path(FOLDER);
    this.repository = this.inside('repository');
  }

  /**
   * Makes the folder and an empty repository in it.
   *
   * @param objects a folder of Git objects that need not be fetched again
   */
  async prepare(objects: string | null): Promise<CommandOutcome> {
    let last = await this.remove();
    // Fails when something exists there, so nobody can have put a link in its place.
    if (succeeded(last)) last = await this.makeFolder();
    if (succeeded(last)) last = await this.run(['init', '--quiet', '--template=', this.repository], this.folder);
    if (!succeeded(last) || objects === null) return last;
    const alternates = this.inside('repository', '.git', 'objects', 'info', 'alternates');
    return await this.parts.step.download({ content: `${objects}\n` }, { workerDest: alternates });
  }

  /** Runs `work` with git commands that have the credentials. These are removed before the outcome is returned. */
  async withAccess<T>(work: (git: Git) => Promise<T>): Promise<WithAccess<T>> {
    const files = this.files();
    for (const [name, content] of Object.entries(files)) {
      const sent = await this.parts.step.download({ content }, { workerDest: this.inside(name), mode: 0o600 });
      if (!succeeded(sent)) return { kind: 'failed', outcome: sent };
    }
    const { settings, env } = this.usingFiles();
    const value = await work((args, options) => this.run([...settings, ...args], this.repository, env, options));
    for (const name of Object.keys(files)) {
      const removed = await this.parts.step.command(
        'rmfile',
        { path: this.inside(name) },
        { log: 'stdio', evenIfStopped: true },
      );
      if (!succeeded(removed)) return { kind: 'failed', outcome: removed };
    }
    return { kind: 'done', value };
  }

  /** Removes the folder, also when it does not exist, and when the build is being stopped. */
  remove(): Promise<CommandOutcome> {
    const args = { paths: [this.folder], timeout: null, logEnviron: false };
    return this.parts.step.command('rmdir', args, { log: 'stdio', evenIfStopped: true });
  }

  private inside(...parts: string[]): string {
    return this.parts.step.path(FOLDER, ...parts);
  }

  private files(): Readonly<Record<string, string>> {
    const { access } = this.parts;
    if (access.kind === 'ssh-key') return keyFiles(access);
    const { username, password, scope } = access.bound;
    const [scheme, rest] = scope.split('://') as [string, string];
    const place = rest.split('/')[0]!;
    return { credentials: `${scheme}://${encodeURIComponent(username)}:${encodeURIComponent(password)}@${place}\n` };
  }

  private usingFiles(): { readonly settings: readonly string[]; readonly env: Readonly<Record<string, string>> } {
    const { access } = this.parts;
    if (access.kind === 'ssh-key') return { settings: [], env: keyEnvironment(access, (name) => this.inside(name)) };
    const helper = `store --file=${quotedForGit(this.inside('credentials'))}`;
    return {
      settings: ['-c', 'credential.helper=', '-c', `credential.${access.bound.scope}.helper=${helper}`],
      env: {},
    };
  }

  private makeFolder(): Promise<CommandOutcome> {
    const { step } = this.parts;
    return step.worker.system === 'nt'
      ? step.command('mkdir', { paths: [this.folder] }, { log: 'stdio' })
      : step.shell({ command: ['mkdir', '-m', '700', this.folder], workdir: step.path() });
  }

  private run(
    args: readonly string[],
    workdir: string,
    env: Readonly<Record<string, string>> = {},
    { capture = false } = {},
  ): Promise<CommandOutcome> {
    return this.parts.step.shell({
      // No garbage collection may run in the background when the folder is removed.
      command: ['git', ...this.parts.settings, '-c', 'gc.auto=0', '-c', 'maintenance.auto=false', ...args],
      workdir,
      env: {
        ...this.parts.env,
        HOME: this.folder,
        XDG_CONFIG_HOME: this.folder,
        GIT_CONFIG_GLOBAL: null,
        GIT_TERMINAL_PROMPT: '0',
        GIT_ASKPASS: null,
        SSH_ASKPASS: null,
        ...env,
      },
      timeoutSeconds: this.parts.timeoutSeconds,
      ...(capture && { capture: CAPTURED }),
    });
  }
}
