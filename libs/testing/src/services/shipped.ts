import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { OperationalError } from '@millrace/domain';

/** Returns the folder of the workspace's package-lock.json. */
export function workspaceFolder(): string {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, 'package-lock.json')) && dirname(folder) !== folder) folder = dirname(folder);
  return folder;
}

/** Returns a configuration file of `deploy/`. Tests use the same files as operators. */
export function shippedFile(name: string): string {
  return readFileSync(join(workspaceFolder(), 'deploy', name), 'utf8');
}

/**
 * Replaces a part of a shipped file.
 * @throws OperationalError `shipped-file` when there is nothing to replace: the test would go on with another configuration than it means
 */
export function replaced(text: string, what: string | RegExp, by: string | ((match: string) => string)): string {
  const result = typeof by === 'string' ? text.replace(what, () => by) : text.replace(what, by);
  if (result === text) {
    throw new OperationalError('shipped-file', `no ${String(what)} in a file of deploy/`, { what: String(what) });
  }
  return result;
}
