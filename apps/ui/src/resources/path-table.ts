export type PathArgument = number | string;

/** The arguments of a path, in order: `n:NAME` stands for a number, `s:NAME` for any text. */
export type ArgumentsOf<Path extends string> = Path extends `${infer Head}/${infer Rest}`
  ? [...ArgumentsOf<Head>, ...ArgumentsOf<Rest>]
  : Path extends `n:${string}`
    ? [number]
    : Path extends `s:${string}`
      ? [string]
      : [];

interface Entry<T> {
  readonly segments: readonly string[];
  readonly target: T;
}

/**
 * Values by path pattern. Patterns consist of literal segments, `n:NAME` (a number) and `s:NAME` (any text); of several with equal length
 * the first that was added wins. A path is split before its segments are decoded, so `%2F` may be inside a builder's name.
 */
export class PathTable<T> {
  private readonly byLength = new Map<number, Entry<T>[]>();

  add(pattern: string, target: T): void {
    const segments = pattern.split('/');
    const entries = this.byLength.get(segments.length);
    if (entries) entries.push({ segments, target });
    else this.byLength.set(segments.length, [{ segments, target }]);
  }

  find(path: string): { target: T; args: PathArgument[] } | null {
    const parts = path.split('/');
    for (const { segments, target } of this.byLength.get(parts.length) ?? []) {
      const args = match(segments, parts);
      if (args) return { target, args };
    }
    return null;
  }
}

const NUMBER = /^[+-]?\d{1,16}$/;

function match(segments: readonly string[], parts: readonly string[]): PathArgument[] | null {
  const args: PathArgument[] = [];
  for (let i = 0; i < segments.length; i++) {
    const segment = segments[i]!;
    if (segment[1] !== ':') {
      if (segment !== parts[i]) return null;
      continue;
    }
    const text = decode(parts[i]!);
    if (text === null) return null;
    if (segment[0] === 'n') {
      if (!NUMBER.test(text)) return null;
      args.push(Number(text));
    } else args.push(text);
  }
  return args;
}

function decode(text: string): string | null {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    // A path with a malformed escape does not exist.
    return null;
  }
}
