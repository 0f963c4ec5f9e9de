/** Where each branch stood when its changes were last taken in. Names are other people's, so they are no keys of an object. */
export type BranchCursors = ReadonlyMap<string, string>;
export type Heads = ReadonlyMap<string, string>;

export interface BranchMove {
  readonly branch: string;
  readonly from: string | null;
  readonly to: string;
  /** First sight of the repository: its history is no news, the head alone is taken in. */
  readonly headOnly: boolean;
}

export interface PollPlan {
  /** Branches with something new, to be taken in one after the other in this order. */
  readonly moved: readonly BranchMove[];
  /** Branches that are gone; their cursors are forgotten. */
  readonly gone: readonly string[];
  /** First sight of the repository: heads that are only remembered. */
  readonly remembered: Heads;
}

/**
 * What to do about the heads a poll saw. Until every head of the first round is stored (`seen`), a branch without a cursor is only
 * remembered, or its head alone is taken in; a branch that appears later is always taken in. `undecided` are branches of which nobody
 * knows whether they are watched: they are neither taken in nor forgotten.
 */
export function planPoll(
  state: { readonly cursors: BranchCursors; readonly seen: boolean },
  heads: Heads,
  buildHeadsOnFirstSight: boolean,
  undecided: ReadonlySet<string> = new Set(),
): PollPlan {
  const { cursors } = state;
  // Heads that are only remembered are stored all at once: one cursor says that they are.
  const firstRound = !state.seen && (buildHeadsOnFirstSight || cursors.size === 0);
  const changed = [...heads]
    .filter(([branch, head]) => cursors.get(branch) !== head)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const remembers = firstRound && !buildHeadsOnFirstSight;
  return {
    moved: remembers
      ? []
      : changed.map(([branch, to]) => {
          const from = cursors.get(branch) ?? null;
          return { branch, from, to, headOnly: firstRound && from === null };
        }),
    remembered: new Map(remembers ? changed : []),
    gone: [...cursors.keys()].filter((branch) => !heads.has(branch) && !undecided.has(branch)),
  };
}

/**
 * The revisions whose history is no news for a branch that moved; null: only its head is. `missing` are the cursors that the repository
 * has no longer, because their branches were rewritten or deleted; a new branch is then compared with the other heads as they are now.
 */
export function knownTo(
  move: BranchMove,
  cursors: BranchCursors,
  heads: Heads,
  missing: ReadonlySet<string>,
): readonly string[] | null {
  if (move.headOnly || (move.from !== null && missing.has(move.from))) return null;
  const others = [...heads].flatMap(([branch, head]) => (branch === move.branch ? [] : [head]));
  const known = [...cursors.values()].filter((revision) => !missing.has(revision));
  return [...new Set([...known, ...(move.from === null && missing.size > 0 ? others : [])])];
}
