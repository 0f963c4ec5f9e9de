import { UserError } from '@millrace/domain';

/** One error in a configuration. */
export interface Problem {
  /** Place in the configuration, such as `builders[2].workers[0]`; empty for the file as a whole. */
  readonly path: string;
  /** The value at that place, as shortened text; missing when there is no value. */
  readonly value?: string;
  readonly expected: string;
  /** A whole sentence. */
  readonly message: string;
  readonly file?: string;
  readonly line?: number;
}

/** A remark about a valid configuration. */
export type Note = Pick<Problem, 'path' | 'message' | 'file' | 'line'>;

/** Thrown as `bad-config`. It has all problems of a configuration at once. */
export class ConfigError extends UserError {
  constructor(readonly problems: readonly Problem[]) {
    const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
    super('bad-config', `the configuration has ${count}:\n${formatProblems(problems)}`, { problems });
  }
}

/** Formats problems as one line each, `file:line: message`, which editors and terminals can follow. */
export function formatProblems(problems: readonly Note[]): string {
  return problems
    .map(({ file, line, message }) => {
      const where = file === undefined ? '' : line === undefined ? `${file}: ` : `${file}:${line}: `;
      return `${where}${message}`;
    })
    .join('\n');
}

/** Formats a value for a message. Must not be used for secrets. */
export function show(value: unknown): string {
  if (value === undefined) return 'undefined';
  if (typeof value === 'function') return 'a function';
  let text: string;
  try {
    text = JSON.stringify(value) ?? Object.prototype.toString.call(value);
  } catch {
    text = Object.prototype.toString.call(value); // The value is cyclic or contains a bigint. Its type is enough.
  }
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

/** Returns the candidate that was probably meant, if one is similar. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.min(3, Math.ceil(word.length / 2.5)) + 1;
  for (const candidate of candidates) {
    // A word with a unit added or left out (`timeout`, `timeoutSeconds`) counts as similar, whatever its edit distance.
    const isPart = word.length >= 4 && candidate.toLowerCase().startsWith(word.toLowerCase());
    const distance = isPart ? 1 : editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** Returns the Levenshtein distance, computed with one row. */
function editDistance(a: string, b: string): number {
  const row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    let diagonal = row[0]!;
    row[0] = i;
    for (let j = 1; j <= b.length; j++) {
      const above = row[j]!;
      row[j] = Math.min(above + 1, row[j - 1]! + 1, diagonal + (a[i - 1] === b[j - 1] ? 0 : 1));
      diagonal = above;
    }
  }
  return row[b.length]!;
}
