import type { BoundCredentials, CommandOutcome, StepContext } from '@millrace/config';
import { succeeded } from '../outcome.js';

/** In the builder's folder. Always the same, so that the next build removes what a worker that died has left. */
const FOLDER = '.millrace-git';

/**
 * Git with credentials, on a worker on which code of other builds has run: in a folder that is made afresh, in a repository of its own. What a build
 * may have left in a checkout or in its user's home (configuration, hooks, filters, links) has no part in it. The system's configuration has:
 * that is its administrator's.
 *
 * The credentials lie in a file for as long as a command needs them, and git uses it for the place that they are bound to, so neither a
 * redirect nor a submodule elsewhere gets them. No log, no command line and no environment shows them.
 */
export class PrivateGit {
  private readonly folder: string;
  private readonly file: string;
  readonly repository: string;

  constructor(
    private readonly step: StepContext,
    private readonly credentials: BoundCredentials,
    private readonly env: Readonly<Record<string, string | null>>,
    private readonly timeoutSeconds: number | null | undefined,
  ) {
    this.folder = step.path(FOLDER);
    this.file = step.path(FOLDER, 'credentials');
    this.repository = step.path(FOLDER, 'repository');
  }

  /**
   * Makes the folder and an empty repository in it.
   *
   * @param objects a folder of Git objects that need not be fetched again
   */
  async prepare(objects: string | null): Promise<CommandOutcome> {
    let last = await this.remove();
    // Fails where something is: nobody has put a link there since.
    if (succeeded(last)) last = await this.makeFolder();
    if (succeeded(last)) last = await this.run(['init', '--quiet', '--template=', this.repository], this.folder);
    if (!succeeded(last) || objects === null) return last;
    const alternates = this.step.path(this.repository, '.git', 'objects', 'info', 'alternates');
    return await this.step.download({ content: `${objects}\n` }, { workerDest: alternates });
  }

  /** Does work with commands of git that have the credentials, which are gone again before the outcome is known. */
  async withCredentials<T extends { readonly outcome: CommandOutcome }>(
    work: (git: (args: readonly string[]) => Promise<CommandOutcome>) => Promise<T>,
  ): Promise<T | { readonly outcome: CommandOutcome; readonly target: '' }> {
    const { username, password, scope } = this.credentials;
    const [scheme, rest] = scope.split('://') as [string, string];
    const line = `${scheme}://${encodeURIComponent(username)}:${encodeURIComponent(password)}@${rest.split('/')[0]!}\n`;
    const sent = await this.step.download({ content: line }, { workerDest: this.file, mode: 0o600 });
    if (!succeeded(sent)) return { outcome: sent, target: '' };
    const helper = `store --file='${this.file.replaceAll("'", `'\\''`)}'`;
    const settings = ['-c', 'credential.helper=', '-c', `credential.${scope}.helper=${helper}`];
    const done = await work((args) => this.run([...settings, ...args], this.repository));
    const removed = await this.step.command('rmfile', { path: this.file }, { log: 'stdio', evenIfStopped: true });
    return succeeded(removed) ? done : { ...done, outcome: removed };
  }

  /** Whatever is there, also when it is nothing, and when the build is being stopped. */
  remove(): Promise<CommandOutcome> {
    const args = { paths: [this.folder], timeout: null, logEnviron: false };
    return this.step.command('rmdir', args, { log: 'stdio', evenIfStopped: true });
  }

  private makeFolder(): Promise<CommandOutcome> {
    return this.step.worker.system === 'nt'
      ? this.step.command('mkdir', { paths: [this.folder] }, { log: 'stdio' })
      : this.step.shell({ command: ['mkdir', '-m', '700', this.folder], workdir: this.step.path() });
  }

  private run(args: readonly string[], workdir: string): Promise<CommandOutcome> {
    return this.step.shell({
      // No collection of garbage goes on in the background when the folder is removed.
      command: ['git', '-c', 'gc.auto=0', '-c', 'maintenance.auto=false', ...args],
      workdir,
      env: {
        ...this.env,
        HOME: this.folder,
        XDG_CONFIG_HOME: this.folder,
        GIT_CONFIG_GLOBAL: null,
        GIT_TERMINAL_PROMPT: '0',
        GIT_ASKPASS: null,
        SSH_ASKPASS: null,
      },
      timeoutSeconds: this.timeoutSeconds,
    });
  }
}
