import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { access, cp, mkdir, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}

/**
 * Makes a Git repository of `examples/hello`, with a branch `main` that succeeds and a branch `failing` that fails. An existing repository
 * is left unchanged. All processes that load the configuration may call this at the same time: the repository is made in a temporary place
 * and moved as a whole.
 */
export async function ensureHelloRepository(repository: string, example: string): Promise<void> {
  if (await exists(repository)) return;
  const draft = `${repository}.${randomUUID()}`;
  const git = (...args: string[]) =>
    run(
      'git',
      [
        '-c',
        'user.name=Millrace',
        '-c',
        'user.email=quickstart@millrace.invalid',
        '-c',
        'commit.gpgsign=false',
        ...args,
      ],
      {
        cwd: draft,
      },
    );
  const commitAll = async (message: string) => {
    await git('add', '--all');
    await git('commit', '--quiet', '--no-verify', '--message', message);
  };
  await mkdir(dirname(repository), { recursive: true });
  try {
    await cp(`${example}/template`, draft, { recursive: true });
    await git('init', '--quiet');
    await git('symbolic-ref', 'HEAD', 'refs/heads/main');
    await commitAll('Greet the world');
    await git('checkout', '--quiet', '-b', 'failing');
    await cp(`${example}/failing`, draft, { recursive: true });
    await commitAll('Expect shouting, which nobody has written yet');
    await git('checkout', '--quiet', 'main');
    await rename(draft, repository);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    if (!(await exists(repository))) throw error; // Otherwise another process was first.
  }
}
