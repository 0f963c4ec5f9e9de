import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';

/** A bare Git repository, to whose `main` commits are pushed, many at once. */
export class BenchRepository {
  private made = 0;

  constructor(readonly folder: string) {
    mkdirSync(folder, { recursive: true });
    this.git(['init', '--quiet', '--bare', '--initial-branch=main']);
    this.push(1);
  }

  /** Pushes so many commits, each of which changes a file. Returns the last one's id. */
  push(commits: number): string {
    const data = (text: string): string => `data ${Buffer.byteLength(text)}\n${text}\n`;
    const whenS = Math.floor(Date.now() / 1000);
    const stream = Array.from({ length: commits }, (_, i) => {
      const n = ++this.made;
      const from = i === 0 && n > 1 ? 'from refs/heads/main^0\n' : '';
      return [
        `commit refs/heads/main\ncommitter Bench <bench@example.org> ${whenS} +0000\n`,
        `${data(`Commit ${n}`)}${from}M 100644 inline files/${n % 100}.txt\n${data(`${n}`)}`,
      ].join('');
    });
    this.git(['fast-import', '--quiet', '--force'], stream.join(''));
    return this.git(['rev-parse', 'main']).trim();
  }

  private git(args: readonly string[], input = ''): string {
    return execFileSync('git', ['-C', this.folder, ...args], { input, encoding: 'utf8' });
  }
}
