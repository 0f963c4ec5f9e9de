import { resolve } from 'node:path';
import { ConfigError, formatProblems, loadAndCompile } from '@millrace/config';
import { say } from '../output.js';

/**
 * Runs `millrace check-config FILE`.
 * @returns the exit code
 */
export async function checkConfig(file: string): Promise<number> {
  try {
    const { revision, fingerprint, notes } = await loadAndCompile(resolve(file));
    if (notes.length > 0) say(`${formatProblems(notes)}\n`);
    const count = (what: readonly unknown[], noun: string): string =>
      `${what.length} ${noun}${what.length === 1 ? '' : 's'}`;
    say(
      `${file} is good: ${count(revision.builders, 'builder')}, ${count(revision.workers, 'worker')}, ${count(revision.schedulers, 'scheduler')}, ${count(revision.changeSources, 'change source')} (revision ${fingerprint.slice(0, 12)})`,
    );
    return 0;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    say(formatProblems(error.problems), process.stderr);
    return 1;
  }
}
