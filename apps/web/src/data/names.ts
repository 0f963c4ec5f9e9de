const SEPARATOR = /[-_./: ](?=[^-_./: ]*$)/;
/** Shortest beginning that is worth cutting. */
const SHORTEST_HEAD = 4;
/** Length of the end that is kept when there are no other names to compare with. */
const TAIL = 12;

/**
 * Returns for each of the names shown together where it begins to differ from the one most like it, as a number of characters; 0 when it
 * differs at once. This part begins with a word and stays visible when there is no room for the whole name.
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

/** Returns where the visible end of a single name begins. */
export function endOf(name: string): number {
  return name.length > 2 * TAIL ? name.length - TAIL : 0;
}

function commonLength(a: string, b = ''): number {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length += 1;
  return length;
}
