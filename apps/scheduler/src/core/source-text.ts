import { messageOf, printable } from '@millrace/domain';

const NAMED = 3;
const NAME_CHARACTERS = 100;

/** What ssh prints about a server whose key is not the known one. It tells how to forget that key, in a file that is made for each poll. */
const OTHER_HOST_KEY = /@{10,}[^]{0,1000}?(SHA256:[\w+/=]+)[^]{0,2000}?(Host key verification failed)\./;

/** Describes a failed poll in one line. */
export function failureText(error: unknown): string {
  return printable(
    messageOf(error)
      .trim()
      .replace(OTHER_HOST_KEY, "$2: the server's key is $1, which is not the one that is known.")
      .replace(/\.?\s*\n\s*/g, '; '),
  );
}

/** Describes the branches that are left out; null when there are none. */
export function unwatchedText(unwatched: ReadonlyMap<string, string>): string | null {
  const { size } = unwatched;
  if (size === 0) return null;
  const named = [...unwatched]
    .slice(0, NAMED)
    .map(([branch, why]) => `'${printable(branch, NAME_CHARACTERS)}' (${why})`);
  const more = size > NAMED ? ` and ${size - NAMED} more` : '';
  return `${size === 1 ? 'a branch is' : `${size} branches are`} not watched: ${named.join(', ')}${more}`;
}
