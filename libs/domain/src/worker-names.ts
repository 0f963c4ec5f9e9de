import { printable } from './printable.js';

/**
 * Whether a worker may have this name: 1 to 50 characters, which Buildbot's clients expect of an identifier, without colons (a colon would
 * end the name in the worker's login), slashes, spaces, asterisks and control characters.
 */
export function isWorkerName(name: string): boolean {
  return /^[^:\s/\\*]{1,50}$/.test(name) && printable(name) === name;
}

/**
 * Whether a configured name is a template: `linux-*` stands for every worker that `millrace worker create` made with a name that begins
 * with `linux-`.
 */
export function isWorkerTemplate(entry: string): boolean {
  return entry.endsWith('*');
}

/**
 * Returns a function that finds the entry of a configuration for a worker's name: its own entry, otherwise the longest matching template,
 * otherwise null.
 */
export function workerEntries(entries: readonly string[]): (name: string) => string | null {
  const own = new Set(entries.filter((entry) => !isWorkerTemplate(entry)));
  const templates = entries.filter(isWorkerTemplate).sort((a, b) => b.length - a.length);
  return (name) =>
    own.has(name) ? name : (templates.find((template) => name.startsWith(template.slice(0, -1))) ?? null);
}
