import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const IDENTITY = {
  GIT_AUTHOR_NAME: 'Ada',
  GIT_AUTHOR_EMAIL: 'ada@example.org',
  GIT_COMMITTER_NAME: 'Ada',
  GIT_COMMITTER_EMAIL: 'ada@example.org',
};

/** A repository that a test commits to. */
export class TestRepository {
  constructor(readonly folder: string) {
    mkdirSync(folder, { recursive: true });
    this.git('init', '--quiet', '--initial-branch=main');
  }

  get url(): string {
    return pathToFileURL(this.folder).href;
  }

  git(...args: string[]): string {
    return execFileSync('git', args, {
      cwd: this.folder,
      encoding: 'utf8',
      env: { ...process.env, ...IDENTITY },
      stdio: ['ignore', 'pipe', 'pipe'],
    }).trim();
  }

  /**
   * Makes a commit.
   * @returns the revision
   */
  commit(content: string, message = `source: ${content}`): string {
    writeFileSync(join(this.folder, 'source.txt'), `${content}\n`);
    this.git('add', '--all');
    execFileSync('git', ['commit', '--quiet', '--allow-empty', '--file=-'], {
      cwd: this.folder,
      input: message,
      env: { ...process.env, ...IDENTITY },
    });
    return this.git('rev-parse', 'HEAD');
  }

  /** Makes a branch at the current revision with one commit, and checks it out. A poll sees both or neither. */
  branch(name: string): void {
    this.git('checkout', '--quiet', '--detach');
    this.commit(name);
    this.git('checkout', '--quiet', '-b', name);
  }

  checkout(branch: string): void {
    const exists = this.git('branch', '--list', branch) !== '';
    this.git('checkout', '--quiet', ...(exists ? [] : ['-b']), branch);
  }
}
