import { execFile } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type BoundKey, type GitAccess, keyEnvironment, keyFiles } from '@millrace/config';
import { credentialSettings } from '../core/git-environment.js';

const run = promisify(execFile);

/** Settings and environment of a git process. */
export interface AccessSettings {
  readonly args: readonly string[];
  readonly env: Readonly<NodeJS.ProcessEnv>;
}
export const NO_SETTINGS: AccessSettings = { args: [], env: {} };

/** Runs something that needs access to a repository. */
export type Access = <T>(work: (settings: AccessSettings) => Promise<T>) => Promise<T>;

/**
 * Returns how git processes get access to a repository.
 * @param folder holds a private key while a process needs it. Only one process at a time may use it
 */
export function accessBy(access: GitAccess | null, folder: string): Access {
  if (access?.kind === 'ssh-key') return (work) => withKey(access, folder, work);
  const { args, env } = credentialSettings(access?.bound ?? null);
  return async (work) => work({ args, env: { ...(await sshCommand()), ...env } });
}

async function withKey<T>(key: BoundKey, folder: string, work: (settings: AccessSettings) => Promise<T>): Promise<T> {
  try {
    // A scheduler that was killed may have left it.
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true, mode: 0o700 });
    for (const [name, content] of Object.entries(keyFiles(key)))
      await writeFile(join(folder, name), content, { mode: 0o600 });
    return await work({ args: [], env: keyEnvironment(key, (name) => join(folder, name)) });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

let ssh: Promise<NodeJS.ProcessEnv> | undefined;

/** Returns the setting that keeps ssh from asking questions, because nobody answers them. A user's own ssh command is kept. */
function sshCommand(): Promise<NodeJS.ProcessEnv> {
  const isSet = process.env['GIT_SSH_COMMAND'] ?? process.env['GIT_SSH'];
  ssh ??= run('git', ['config', '--get', 'core.sshCommand']).then(
    () => ({}),
    () => (isSet ? {} : { GIT_SSH_COMMAND: 'ssh -o BatchMode=yes' }),
  );
  return ssh;
}
