/** A change that waits, with what decides whom it waits with. */
export interface Waiting {
  readonly changeId: number;
  readonly important: boolean;
  readonly ageMs: number;
  /** Changes of one branch of one repository are built together. */
  readonly group: string;
}

export interface StableDecision {
  /** Ids of the changes of each batch to build now, in order. */
  readonly batches: readonly (readonly number[])[];
  /** When to look again, if nothing else happens; null when nothing waits for time to pass. */
  readonly againInMs: number | null;
}

/**
 * The tree-stable timer: a branch is built once it has been quiet for `treeStableMs`; every further change starts the wait again.
 * Unimportant changes alone start nothing, they ride along with the next important one.
 */
export function decideStable(waiting: readonly Waiting[], treeStableMs: number): StableDecision {
  const groups = new Map<string, Waiting[]>();
  for (const change of waiting) groups.set(change.group, [...(groups.get(change.group) ?? []), change]);
  const batches: number[][] = [];
  let againInMs: number | null = null;
  for (const changes of groups.values()) {
    if (!changes.some((change) => change.important)) continue;
    const quietMs = Math.min(...changes.map((change) => change.ageMs));
    if (quietMs >= treeStableMs) batches.push(changes.map((change) => change.changeId));
    else againInMs = Math.min(againInMs ?? Infinity, treeStableMs - quietMs);
  }
  return { batches, againInMs };
}
