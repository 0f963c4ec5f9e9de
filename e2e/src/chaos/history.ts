import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { TestRepository } from '../git-repository.js';

/** A polled bare repository, and a clone from which commits are pushed to it. */
export class History {
  private readonly clone: TestRepository;
  private readonly bare: string;
  private count = 0;

  constructor(folder: string) {
    this.bare = join(folder, 'origin.git');
    execFileSync('git', ['init', '--quiet', '--bare', '--initial-branch=main', this.bare]);
    this.clone = new TestRepository(join(folder, 'clone'));
    this.clone.git('remote', 'add', 'origin', this.bare);
  }

  get url(): string {
    return pathToFileURL(this.bare).href;
  }

  /**
   * Makes `count` commits and pushes them at once.
   * @returns their revisions
   */
  push(count = 1, branch = 'main'): string[] {
    this.clone.checkout(branch);
    const revisions: string[] = [];
    for (let i = 0; i < count; i++) revisions.push(this.clone.commit(`commit ${++this.count}`));
    this.clone.git('push', '--quiet', 'origin', branch);
    return revisions;
  }
}
