import { readdir, stat, unlink } from 'node:fs/promises';
import type { Command, CommandContext } from './command.js';
import { glob } from './glob.js';
import { makeDirectories } from './make-directories.js';
import { isSystemError, systemErrorText } from './system-error.js';

/**
 * Makes a quick command: one operation in this process, which ends before an interruption could matter. `rc` is the errno of what failed.
 */
function quick(name: string, context: CommandContext, work: () => Promise<void>): Command {
  return {
    run: async () => {
      try {
        await work();
        return 0;
      } catch (error) {
        if (!isSystemError(error)) throw error;
        context.output.header(`${name}: ${systemErrorText(error)}: ${error.path ?? ''}\n`);
        return -error.errno;
      }
    },
    interrupt: () => undefined,
  };
}

export function makeEmptyDirectories(context: CommandContext): Command {
  const paths = context.args.texts('paths');
  return quick('mkdir', context, async () => {
    for (const path of paths) await makeDirectories(path);
  });
}

export function statFile(context: CommandContext): Command {
  const path = context.args.text('path');
  return quick('stat', context, async () => {
    const { mode, ino, dev, nlink, uid, gid, size, atimeMs, mtimeMs, ctimeMs } = await stat(path, { bigint: true });
    const fields = [mode, ino, dev, nlink, uid, gid, size, atimeMs / 1000n, mtimeMs / 1000n, ctimeMs / 1000n];
    context.output.event({ kind: 'stat', stat: fields.map((field) => (isSafe(field) ? Number(field) : field)) });
  });
}

export function globFiles(context: CommandContext): Command {
  const pattern = context.args.text('path');
  return quick('glob', context, async () => context.output.event({ kind: 'files', files: await glob(pattern) }));
}

export function listDirectory(context: CommandContext): Command {
  const path = context.args.text('path');
  return quick('listdir', context, async () => context.output.event({ kind: 'files', files: await readdir(path) }));
}

export function removeFile(context: CommandContext): Command {
  const path = context.args.text('path');
  return quick('rmfile', context, () => unlink(path));
}

function isSafe(value: bigint): boolean {
  return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER;
}
