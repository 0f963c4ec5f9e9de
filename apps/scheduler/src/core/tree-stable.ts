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
  /** Ids of unimportant changes that wait no longer, so that those after them are seen. */
  readonly letGo: readonly number[];
}

/**
 * The tree-stable timer: a branch is built once it has been quiet for `treeStableMs`; every further change starts the wait again.
 * Unimportant changes alone start nothing, they ride along with the next important one. `waiting` are the first `mostWaiting` that wait, or
 * all: where nothing but unimportant ones of quiet branches fill that up, they are let go.
 */
export function decideStable(
  waiting: readonly Waiting[],
  treeStableMs: number,
  mostWaiting = Infinity,
): StableDecision {
  const groups = new Map<string, Waiting[]>();
  for (const change of waiting) groups.set(change.group, [...(groups.get(change.group) ?? []), change]);
  const batches: number[][] = [];
  const alone: number[] = [];
  let againInMs: number | null = null;
  for (const changes of groups.values()) {
    if (!changes.some((change) => change.important)) {
      alone.push(...changes.map((change) => change.changeId));
      continue;
    }
    const quietMs = Math.min(...changes.map((change) => change.ageMs));
    if (quietMs >= treeStableMs) batches.push(changes.map((change) => change.changeId));
    else againInMs = Math.min(againInMs ?? Infinity, treeStableMs - quietMs);
  }
  return { batches, againInMs, letGo: waiting.length < mostWaiting ? [] : alone };
}
