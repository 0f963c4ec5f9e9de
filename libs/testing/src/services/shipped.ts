import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { OperationalError } from '@millrace/domain';

/** The folder of the workspace's package-lock.json. */
export function workspaceFolder(): string {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, 'package-lock.json')) && dirname(folder) !== folder) folder = dirname(folder);
  return folder;
}

/** A configuration of `deploy/`, which is what operators run, so it is what tests run. */
export function shippedFile(name: string): string {
  return readFileSync(join(workspaceFolder(), 'deploy', name), 'utf8');
}

/** @throws OperationalError `shipped-file` when there is nothing to replace: a test would go on with what it did not mean */
export function replaced(text: string, what: string | RegExp, by: string | ((match: string) => string)): string {
  const result = typeof by === 'string' ? text.replace(what, () => by) : text.replace(what, by);
  if (result === text) {
    throw new OperationalError('shipped-file', `no ${String(what)} in a file of deploy/`, { what: String(what) });
  }
  return result;
}
