import { resolve } from 'node:path';
import { ConfigError, formatProblems, loadAndCompile } from '@millrace/config';

/** `millrace check-config FILE`. @returns the exit code */
export async function checkConfig(file: string): Promise<number> {
  try {
    const { revision, fingerprint } = await loadAndCompile(resolve(file));
    const count = (what: readonly unknown[], noun: string): string =>
      `${what.length} ${noun}${what.length === 1 ? '' : 's'}`;
    process.stdout.write(
      `${file} is good: ${count(revision.builders, 'builder')}, ${count(revision.workers, 'worker')}, ${count(revision.schedulers, 'scheduler')}, ${count(revision.changeSources, 'change source')} (revision ${fingerprint.slice(0, 12)})\n`,
    );
    return 0;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${formatProblems(error.problems)}\n`);
    return 1;
  }
}
