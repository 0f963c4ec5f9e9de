import { messageOf, printable } from '@millrace/domain';

const NAMED = 3;
const NAME_CHARACTERS = 100;

/** Describes a failed poll in one line. */
export function failureText(error: unknown): string {
  return printable(
    messageOf(error)
      .trim()
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
