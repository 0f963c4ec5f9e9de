const SEPARATOR = /[-_./: ](?=[^-_./: ]*$)/;
/** A shorter beginning is not worth cutting. */
const SHORTEST_HEAD = 4;
/** What is kept of the end where nothing says where names differ. */
const TAIL = 12;

/**
 * Where each of names that are shown together begins to differ from the one most like it: name → characters, 0 where it does so at once. That
 * part is shown whole when there is no room for all; it begins with a word.
 */
export function differencesOf(names: Iterable<string>): ReadonlyMap<string, number> {
  const sorted = [...new Set(names)].sort();
  return new Map(
    sorted.map((name, i) => {
      const common = Math.max(commonLength(name, sorted[i - 1]), commonLength(name, sorted[i + 1]));
      const head = (SEPARATOR.exec(name.slice(0, common))?.index ?? -1) + 1;
      return [name, head < SHORTEST_HEAD ? 0 : head];
    }),
  );
}

/** The same for a name of its own: its end is kept. */
export function endOf(name: string): number {
  return name.length > 2 * TAIL ? name.length - TAIL : 0;
}

function commonLength(a: string, b = ''): number {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length += 1;
  return length;
}
