/** Where each branch stood when its changes were last taken in. */
export type BranchCursors = Readonly<Record<string, string>>;

export interface BranchMove {
  readonly branch: string;
  readonly from: string | null;
  readonly to: string;
}

export interface PollPlan {
  /** Branches with something new, to be taken in one after the other in this order. */
  readonly moved: readonly BranchMove[];
  /** Branches that are gone; their cursors are forgotten. */
  readonly gone: readonly string[];
  /** First sight of the repository: branches whose head is only remembered. */
  readonly remembered: readonly BranchMove[];
}

/**
 * What to do about the heads a poll saw. On first sight of the repository (no cursors at all) its heads are only remembered, unless
 * they are to be built; a branch that appears later is always taken in.
 */
export function planPoll(
  cursors: BranchCursors,
  heads: Readonly<Record<string, string>>,
  buildHeadsOnFirstSight: boolean,
): PollPlan {
  const firstSight = Object.keys(cursors).length === 0;
  const changed = Object.entries(heads)
    .filter(([branch, head]) => cursors[branch] !== head)
    .map(([branch, to]): BranchMove => ({ branch, from: cursors[branch] ?? null, to }))
    .sort((a, b) => (a.branch < b.branch ? -1 : 1));
  return {
    moved: firstSight && !buildHeadsOnFirstSight ? [] : changed,
    remembered: firstSight && !buildHeadsOnFirstSight ? changed : [],
    gone: Object.keys(cursors).filter((branch) => !(branch in heads)),
  };
}
