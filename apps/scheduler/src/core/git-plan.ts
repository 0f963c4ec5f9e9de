/** Where each branch stood when its changes were last taken in. */
export type BranchCursors = Readonly<Record<string, string>>;
type Heads = Readonly<Record<string, string>>;

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
 * remembered, or its head alone is taken in; a branch that appears later is always taken in.
 */
export function planPoll(
  state: { readonly cursors: BranchCursors; readonly seen: boolean },
  heads: Heads,
  buildHeadsOnFirstSight: boolean,
): PollPlan {
  const { cursors } = state;
  // Heads that are only remembered are stored all at once: one cursor says that they are.
  const firstRound = !state.seen && (buildHeadsOnFirstSight || Object.keys(cursors).length === 0);
  const changed = Object.entries(heads)
    .filter(([branch, head]) => cursors[branch] !== head)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const remembers = firstRound && !buildHeadsOnFirstSight;
  return {
    moved: remembers
      ? []
      : changed.map(([branch, to]) => {
          const from = cursors[branch] ?? null;
          return { branch, from, to, headOnly: firstRound && from === null };
        }),
    remembered: remembers ? Object.fromEntries(changed) : {},
    gone: Object.keys(cursors).filter((branch) => !(branch in heads)),
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
  const others = Object.entries(heads).flatMap(([branch, head]) => (branch === move.branch ? [] : [head]));
  const known = Object.values(cursors).filter((revision) => !missing.has(revision));
  return [...new Set([...known, ...(move.from === null && missing.size > 0 ? others : [])])];
}
