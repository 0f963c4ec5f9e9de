import { printable } from './printable.js';

/**
 * Whether a worker may be called that: 1 to 50 characters, which is what Buildbot's clients expect of an identifier, without colons
 * (one would end the name in the worker's login), slashes, spaces, asterisks and what a terminal would obey.
 */
export function isWorkerName(name: string): boolean {
  return /^[^:\s/\\*]{1,50}$/.test(name) && printable(name) === name;
}

/** `linux-*` stands for every worker that was made by `millrace worker create` under a name that begins so. */
export function isWorkerTemplate(entry: string): boolean {
  return entry.endsWith('*');
}

/** Finds the entry of a configuration that a worker goes by: its own, else the longest template that fits; null: none. */
export function workerEntries(entries: readonly string[]): (name: string) => string | null {
  const own = new Set(entries.filter((entry) => !isWorkerTemplate(entry)));
  const templates = entries.filter(isWorkerTemplate).sort((a, b) => b.length - a.length);
  return (name) =>
    own.has(name) ? name : (templates.find((template) => name.startsWith(template.slice(0, -1))) ?? null);
}
