import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';
import { type Database, migrate, openDatabase } from '@millrace/database';
import { eventually, ExtraProcess, freePort } from '@millrace/testing';

const SCRIPT = join(import.meta.dirname, '../dist/main.js');
const IDENTITY = {
  GIT_AUTHOR_NAME: 'Ada',
  GIT_AUTHOR_EMAIL: 'ada@example.org',
  GIT_COMMITTER_NAME: 'Ada',
  GIT_COMMITTER_EMAIL: 'ada@example.org',
};

/** A repository that a test commits to. */
export class Repository {
  constructor(
    readonly folder: string,
    options: readonly string[] = [],
  ) {
    mkdirSync(folder, { recursive: true });
    this.git('init', '--quiet', '--initial-branch=main', ...options);
  }

  get url(): string {
    return pathToFileURL(this.folder).href;
  }

  git(...args: string[]): string {
    const env = { ...process.env, ...IDENTITY };
    return execFileSync('git', args, { cwd: this.folder, encoding: 'utf8', env, stdio: 'pipe' }).trim();
  }

  /**
   * Makes a commit.
   * @returns the revision
   */
  commit(message: string): string {
    this.git('commit', '--quiet', '--allow-empty', '--message', message);
    return this.git('rev-parse', 'HEAD');
  }

  /** Makes a branch at `start` with one commit. A poll sees both or neither. */
  branch(name: string, start: string): string {
    this.git('checkout', '--quiet', '--detach', start);
    const revision = this.commit(`${name} from ${start}`);
    this.git('branch', name);
    this.git('checkout', '--quiet', 'main');
    return revision;
  }

  /**
   * Makes a commit on top of `main` with a time in seconds after 1970.
   * @returns the revision
   */
  commitAt(seconds: string): string {
    const revision = this.object(this.git('rev-parse', 'HEAD'), seconds);
    this.git('reset', '--quiet', '--hard', revision);
    return revision;
  }

  /**
   * Makes a commit whose parent does not exist.
   * @returns the revision
   */
  orphanOf(parent: string): string {
    return this.object(parent, '1700000000');
  }

  private object(parent: string, seconds: string): string {
    const who = `Ada <ada@example.org> ${seconds} +0000`;
    const text = `tree ${this.git('write-tree')}\nparent ${parent}\nauthor ${who}\ncommitter ${who}\n\nodd\n`;
    const input = { cwd: this.folder, encoding: 'utf8', input: text } as const;
    return execFileSync('git', ['hash-object', '-t', 'commit', '-w', '--stdin', '--literally'], input).trim();
  }

  /** Changes a repository of an unknown format back to one that git knows. */
  recover(): void {
    execFileSync('git', ['config', '--file', join(this.folder, '.git/config'), 'core.repositoryformatversion', '0']);
  }

  /** Makes a branch of two commits that has no history in common with any other. */
  orphan(name: string): string {
    const first = this.git('commit-tree', '-m', 'first', 'main^{tree}');
    const second = this.git('commit-tree', '-m', 'second', '-p', first, 'main^{tree}');
    this.git('branch', name, second);
    return second;
  }
}

export interface Scheduler {
  readonly process: ExtraProcess;
  readonly url: string;
  /** Address of `POST /trigger`. */
  readonly trigger: string;
}

/** Schedulers as real processes with one SQLite database and without a bus: they find everything by polling. */
export class Site {
  readonly config: string;
  readonly output: string[] = [];
  private readonly schedulers: Scheduler[] = [];

  private constructor(
    readonly folder: string,
    readonly db: Database,
    private readonly databaseUrl: string,
  ) {
    this.config = join(folder, 'master.config.ts');
  }

  static async make(): Promise<Site> {
    // Outside of the repository, like a user's folder.
    const folder = mkdtempSync(join(tmpdir(), 'millrace-scheduler-'));
    const url = `sqlite:${join(folder, 'millrace.sqlite')}`;
    await migrate(url);
    return new Site(folder, openDatabase(url), url);
  }

  /** Writes the configuration, with parts as source text: for one builder `b`, and `builders` beside it, on the worker `w`. */
  configure(parts: {
    readonly schedulers?: string;
    readonly changeSources?: string;
    readonly hooks?: string;
    readonly www?: string;
    readonly projects?: string;
    readonly codebases?: string;
    readonly builders?: string;
  }): void {
    writeFileSync(
      this.config,
      `import { anyBranch, baseHook, builder, customHook, customStep, defineConfig, githubHook, githubPullRequestPoller, gitPoller, nightlyTriggerable, pollerHook, trigger,
  worker } from '@millrace/config';
export default defineConfig({
  workers: [worker('w', { password: 'x' })],
  projects: [${parts.projects ?? ''}],
  codebases: [${parts.codebases ?? ''}],
  builders: [builder('b', { workers: ['w'], factory: [customStep('do', async () => 0)] }), ${parts.builders ?? ''}],
  schedulers: [${parts.schedulers ?? ''}],
  changeSources: [${parts.changeSources ?? ''}],
  hooks: [${parts.hooks ?? ''}],
  ${parts.www === undefined ? '' : `www: ${parts.www},`}
});
`,
    );
  }

  /** Starts a scheduler with its own data folder and therefore its own mirrors. */
  async start(name = 'one', env: Readonly<Record<string, string>> = {}): Promise<Scheduler> {
    const [http, trigger] = [await freePort(), await freePort()];
    const cwd = join(this.folder, name);
    mkdirSync(cwd, { recursive: true });
    const scheduler: Scheduler = {
      url: `http://127.0.0.1:${http}`,
      trigger: `http://127.0.0.1:${trigger}/trigger`,
      process: new ExtraProcess({
        name,
        script: () => SCRIPT,
        cwd,
        onLine: (line) => this.output.push(line),
        env: {
          PATH: process.env['PATH'],
          HOME: process.env['HOME'],
          MILLRACE_NAME: name,
          MILLRACE_DATA: cwd,
          MILLRACE_DB: this.databaseUrl,
          MILLRACE_CONFIG: this.config,
          MILLRACE_HTTP_PORT: String(http),
          MILLRACE_TRIGGER_PORT: String(trigger),
          MILLRACE_POLL_MS: '100',
          ...env,
        },
      }),
    };
    this.schedulers.push(scheduler);
    await eventually(async () => (await fetch(`${scheduler.url}/readyz`)).ok, { timeoutMs: 120_000, what: name }).catch(
      (error: unknown) => {
        throw new Error(`${String(error)}\n${this.output.join('\n')}`, { cause: error });
      },
    );
    return scheduler;
  }

  /** Runs a scheduler that is expected not to start. */
  async run(env: Readonly<Record<string, string>>): Promise<{ status: number | null; output: string }> {
    const child = spawn(process.execPath, [SCRIPT], {
      cwd: this.folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env['PATH'],
        MILLRACE_DB: this.databaseUrl,
        MILLRACE_CONFIG: this.config,
        MILLRACE_HTTP_PORT: '0',
        MILLRACE_TRIGGER_PORT: '0',
        ...env,
      },
    });
    const said = Promise.all([text(child.stdout), text(child.stderr)]);
    const patience = setTimeout(() => child.kill('SIGKILL'), 30_000);
    const [status] = (await once(child, 'exit')) as [number | null];
    clearTimeout(patience);
    return { status, output: (await said).join('') };
  }

  /** Returns the remembered head of each branch. */
  async heads(poller: string): Promise<Record<string, string>> {
    const rows = await this.db.all<{ name: string; value: string }>(
      `SELECT name, value FROM object_state WHERE owner = ?`,
      [`poller:${poller}`],
    );
    return Object.fromEntries(rows.map(({ name, value }) => [name, String(JSON.parse(value))]));
  }

  /** Returns the revisions of the changes on a branch, in order. */
  async changes(branch: string): Promise<string[]> {
    const rows = await this.db.all<{ revision: string }>(`SELECT revision FROM changes WHERE branch = ? ORDER BY seq`, [
      branch,
    ]);
    return rows.map(({ revision }) => revision);
  }

  /** Waits until a poll has stored that head of the branch. */
  async took(poller: string, branch: string, head: string): Promise<void> {
    await eventually(async () => (await this.heads(poller))[`branch:${branch}`] === head, {
      timeoutMs: 20_000,
      what: `${branch} at ${head}`,
    });
  }

  /** Stops all schedulers, in order. */
  async stop(): Promise<void> {
    await Promise.all(this.schedulers.map(({ process }) => process.stop()));
  }

  async close(): Promise<void> {
    await Promise.all(this.schedulers.map(({ process }) => process.stop()));
    await this.db.close();
    rmSync(this.folder, { recursive: true });
  }
}
