/** A waiting change, with the group that it waits with. */
export interface Waiting {
  readonly important: boolean;
  /** Beginning of the wait, by the same clock as `nowMs`. */
  readonly sinceMs: number;
  /** Changes of one group (one branch of one repository) are built together. */
  readonly group: string;
}

export interface StableDecision<W extends Waiting> {
  /** The changes of each batch to build now, in order. */
  readonly batches: readonly (readonly W[])[];
  /** Unimportant changes that no longer wait, so that there is room for later ones. */
  readonly letGo: readonly W[];
  /** Changes whose wait starts again, because the clock was set back to before its beginning. */
  readonly again: readonly W[];
  /** When to look again, if nothing else happens; null when no change waits for time to pass. */
  readonly wakeAtMs: number | null;
}

/**
 * Decides for the tree-stable timer: a branch is built once it has been quiet for `treeStableMs`; every further change starts the wait
 * again. Unimportant changes alone do not start a build, they are built with the next important one. `isFull`: more changes wait than
 * these. When only unimportant changes of quiet branches fill up the list, they are let go.
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
