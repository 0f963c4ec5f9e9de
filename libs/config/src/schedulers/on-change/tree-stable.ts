/** A change that waits, with what decides whom it waits with. */
export interface Waiting {
  readonly important: boolean;
  /** Since when, by the same clock as `nowMs`. */
  readonly sinceMs: number;
  /** Changes of one branch of one repository are built together. */
  readonly group: string;
}

export interface StableDecision<W extends Waiting> {
  /** The changes of each batch to build now, in order. */
  readonly batches: readonly (readonly W[])[];
  /** Unimportant changes that wait no longer, so that those after them are seen. */
  readonly letGo: readonly W[];
  /** Those whose wait begins anew, because by the clock it has not begun yet: the clock was set back. */
  readonly again: readonly W[];
  /** When to look again, if nothing else happens; null when nothing waits for time to pass. */
  readonly wakeAtMs: number | null;
}

/**
 * The tree-stable timer: a branch is built once it has been quiet for `treeStableMs`; every further change starts the wait again.
 * Unimportant changes alone start nothing, they ride along with the next important one. `isFull`: there are more that wait than these, so
 * where nothing but unimportant ones of quiet branches fill up the room, they are let go.
 */
export function decideStable<W extends Waiting>(
  waiting: readonly W[],
  options: { readonly nowMs: number; readonly treeStableMs: number; readonly isFull: boolean },
): StableDecision<W> {
  const { nowMs, treeStableMs, isFull } = options;
  const again = waiting.filter(({ sinceMs }) => sinceMs > nowMs);
  const groups = new Map<string, W[]>();
  for (const change of waiting) {
    const group = groups.get(change.group);
    if (group) group.push(change);
    else groups.set(change.group, [change]);
  }
  const batches: W[][] = [];
  const alone: W[] = [];
  let wakeAtMs: number | null = null;
  for (const changes of groups.values()) {
    if (!changes.some(({ important }) => important)) {
      alone.push(...changes);
      continue;
    }
    const quietAtMs = Math.max(...changes.map(({ sinceMs }) => Math.min(sinceMs, nowMs))) + treeStableMs;
    if (quietAtMs <= nowMs) batches.push(changes);
    else wakeAtMs = Math.min(wakeAtMs ?? Infinity, quietAtMs);
  }
  const settled = new Set([...batches.flat(), ...(isFull ? alone : [])]);
  return { batches, letGo: isFull ? alone : [], again: again.filter((change) => !settled.has(change)), wakeAtMs };
}
