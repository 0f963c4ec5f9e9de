import type { Sight } from '@millrace/domain';

/** Which rows of a resource somebody sees who does not see all projects. */
export type Seen<Row extends object> =
  /** All: they belong to no project. */
  | 'by-everybody'
  /** None: what they tell cannot be told apart by projects. */
  | 'by-those-who-see-all'
  /** Whatever is below a row that is seen. Their paths have been asked already. */
  | 'with-the-path'
  /** Those that are returned. What they say about others is left out. */
  | ((rows: readonly Row[], sight: Sight) => readonly Row[] | Promise<readonly Row[]>);

/**
 * Returns what somebody sees of rows.
 * @param sight null for somebody who sees everything
 */
export async function seenOf<Row extends object>(
  seen: Seen<Row>,
  rows: readonly Row[],
  sight: Sight | null,
): Promise<readonly Row[]> {
  if (sight === null || seen === 'by-everybody' || seen === 'with-the-path') return rows;
  return seen === 'by-those-who-see-all' ? [] : seen(rows, sight);
}

/** Returns a state without the builds of others that have the locks it waits for. */
export function withoutLockHolders(text: string): string {
  return text.replace(/(the lock '.*?'), (?:which|after) .*$/s, '$1').replace(/deadlock: .*$/s, 'deadlock');
}
