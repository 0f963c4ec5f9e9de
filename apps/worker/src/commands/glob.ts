import { lstat, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

const MAGIC = /[*?[]/;

/**
 * Returns the paths that match, as Python's recursive glob does: `*`, `?`, `[…]` within a name, `**` for any number of directories, a slash
 * at the end for directories only. Names that begin with a dot match only a pattern that does. Unsorted. What cannot be read is skipped
 * without an error.
 */
export async function glob(pattern: string): Promise<string[]> {
  const root = pattern.startsWith('/') ? '/' : '';
  const parts = pattern.split('/').filter((part) => part !== '');
  const found = new Set<string>();
  await match(root, parts, found);
  if (!pattern.endsWith('/')) return [...found];
  const directories = await Promise.all([...found].map(async (path) => ((await isDirectory(path)) ? `${path}/` : '')));
  return directories.filter((path) => path !== '');
}

async function match(directory: string, parts: readonly string[], found: Set<string>): Promise<void> {
  const [part, ...rest] = parts;
  if (part === undefined) {
    if (directory !== '') found.add(directory);
    return;
  }
  if (part === '**') {
    if (rest.length > 0) await match(directory, rest, found);
    else if (directory !== '') found.add(directory.endsWith('/') ? directory : `${directory}/`);
    return matchBelow(directory, rest, found);
  }
  if (!MAGIC.test(part)) {
    const path = join(directory, part);
    if (await isThere(path)) await match(path, rest, found);
    return;
  }
  const name = nameMatcher(part);
  for (const entry of await entries(directory)) {
    if (!name.test(entry.name) || (entry.name.startsWith('.') && !part.startsWith('.'))) continue;
    if (rest.length === 0 || entry.isDirectory() || entry.isSymbolicLink())
      await match(join(directory, entry.name), rest, found);
  }
}

/** Matches `**` below a directory: any number of directories; as the last part also every file. Links are not followed, so that it ends. */
async function matchBelow(directory: string, rest: readonly string[], found: Set<string>): Promise<void> {
  for (const entry of await entries(directory)) {
    if (entry.name.startsWith('.')) continue;
    const path = join(directory, entry.name);
    if (entry.isDirectory()) {
      await match(path, rest, found);
      await matchBelow(path, rest, found);
    } else if (rest.length === 0) found.add(path);
  }
}

function entries(directory: string) {
  return readdir(directory === '' ? '.' : directory, { withFileTypes: true }).catch(() => []);
}

async function isDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

async function isThere(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

/** Converts a part of the pattern to a regular expression for one name. An unclosed `[` stands for itself. */
export function nameMatcher(part: string): RegExp {
  const source = part.replace(/\[(!?)(\]?[^\]]*)\]|[*?]|[\\^$.|+(){}[\]]/g, (token, not?: string, set?: string) => {
    if (set !== undefined) return `[${not === '!' ? '^' : ''}${set.replace(/[\\\][^]/g, '\\$&')}]`;
    if (token === '*') return '.*';
    return token === '?' ? '.' : `\\${token}`;
  });
  return new RegExp(`^${source}$`, 'su');
}
