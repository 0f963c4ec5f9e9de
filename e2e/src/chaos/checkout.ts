import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../stacks.js';

/**
 * Returns the root folder of the Millrace of a commit, built. The first time it is made, which takes minutes and needs the history of Git
 * and the packages of that commit.
 */
export function checkoutOf(commit: string): string {
  const revision = execFileSync('git', ['rev-parse', '--verify', `${commit}^{commit}`], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  const folder = join(ROOT, 'node_modules/.cache/millrace', revision.trim());
  const whole = join(folder, '.built');
  if (existsSync(whole)) return folder;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const tree = execFileSync('git', ['archive', revision.trim()], { cwd: ROOT, maxBuffer: Infinity });
  execFileSync('tar', ['x', '-C', folder], { input: tree });
  const inside = { cwd: folder, stdio: 'inherit' } as const;
  execFileSync('npm', ['ci', '--prefer-offline', '--no-audit', '--no-fund'], inside);
  execFileSync('npm', ['run', 'build'], inside);
  writeFileSync(whole, '');
  return folder;
}
