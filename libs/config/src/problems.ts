import { UserError } from '@millrace/domain';

/** One thing that is wrong with a configuration. */
export interface Problem {
  /** `builders[2].workers[0]`; empty for the file as a whole. */
  readonly path: string;
  /** The value that stands there, as text and shortened; missing where nothing stands there. */
  readonly value?: string;
  readonly expected: string;
  /** A whole sentence. */
  readonly message: string;
  readonly file?: string;
  readonly line?: number;
}

/** Something worth knowing about a configuration that is good. */
export type Note = Pick<Problem, 'path' | 'message' | 'file' | 'line'>;

/** Thrown as `bad-config`: everything that is wrong, at once. */
export class ConfigError extends UserError {
  constructor(readonly problems: readonly Problem[]) {
    const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
    super('bad-config', `the configuration has ${count}:\n${formatProblems(problems)}`, { problems });
  }
}

/** One line per problem, `file:line: message`, as editors and terminals can follow it. */
export function formatProblems(problems: readonly Note[]): string {
  return problems
    .map(({ file, line, message }) => {
      const where = file === undefined ? '' : line === undefined ? `${file}: ` : `${file}:${line}: `;
      return `${where}${message}`;
    })
    .join('\n');
}

/** A value as people read it in a message. Never used for secrets. */
export function show(value: unknown): string {
  if (value === undefined) return 'undefined';
  if (typeof value === 'function') return 'a function';
  let text: string;
  try {
    text = JSON.stringify(value) ?? Object.prototype.toString.call(value);
  } catch {
    text = Object.prototype.toString.call(value); // cyclic, or a bigint: what it says is beside the point
  }
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

/** The candidate that was probably meant, if one is near. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.min(3, Math.ceil(word.length / 2.5)) + 1;
  for (const candidate of candidates) {
    // A unit left out or added (`timeout`, `timeoutSeconds`) is nearer than its letters say.
    const isPart = word.length >= 4 && candidate.toLowerCase().startsWith(word.toLowerCase());
    const distance = isPart ? 1 : editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** Levenshtein's, with one row. */
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
