import { isTag } from './git-refs.js';

/**
 * The head of each branch when its changes were last taken in. A map, because the names are other people's and must not be keys of an
 * object.
 */
export type BranchCursors = ReadonlyMap<string, string>;
export type Heads = ReadonlyMap<string, string>;

export interface BranchMove {
  readonly branch: string;
  readonly from: string | null;
  readonly to: string;
  /** True for a tag, and on first sight of the repository: only the head is taken in, not the history. */
  readonly headOnly: boolean;
}

export interface PollPlan {
  /** Branches with new commits, to be taken in one after the other in this order. */
  readonly moved: readonly BranchMove[];
  /** Branches that do not exist any more. Their cursors are forgotten. */
  readonly gone: readonly string[];
  /** Heads that are only remembered, on first sight of the repository. */
  readonly remembered: Heads;
}

/** What is known of the branches and tags of a repository. */
export interface RefState {
  readonly cursors: BranchCursors;
  /** Whether every branch of the first round is stored. */
  readonly seen: boolean;
  /** Whether every tag of the first round with tags is stored. */
  readonly seenTags: boolean;
}

/**
 * Decides what to do about the branches and tags that a poll saw. Tags of the first round are only remembered. A tag is taken in by itself,
 * without history: its commits are those of branches.
 */
export function planRound(
  { cursors, seen, seenTags }: RefState,
  heads: Heads,
  options: { readonly buildHeadsOnFirstSight: boolean; readonly undecided: ReadonlySet<string> },
): PollPlan {
  const { buildHeadsOnFirstSight, undecided } = options;
  const branches = { cursors: withoutTags(cursors), seen };
  const tags = { cursors: onlyTags(cursors), seen: seenTags };
  const ofBranches = planPoll(branches, withoutTags(heads), buildHeadsOnFirstSight, undecided);
  const ofTags = planPoll(tags, onlyTags(heads), false, undecided);
  return {
    moved: [...ofBranches.moved, ...ofTags.moved.map((move) => ({ ...move, headOnly: true }))],
    gone: [...ofBranches.gone, ...ofTags.gone],
    remembered: new Map([...ofBranches.remembered, ...ofTags.remembered]),
  };
}

/** Returns what belongs to branches. A tag may lead to what is no commit, and knows nothing of a branch's history. */
export function withoutTags(refs: ReadonlyMap<string, string>): Map<string, string> {
  return new Map([...refs].filter(([name]) => !isTag(name)));
}

function onlyTags(refs: ReadonlyMap<string, string>): Map<string, string> {
  return new Map([...refs].filter(([name]) => isTag(name)));
}

/**
 * Decides what to do about the heads that a poll saw. Until every head of the first round is stored (`seen`), a branch without a cursor is
 * only remembered, or only its head is taken in; a branch that appears later is always taken in. `undecided` are branches of which it is
 * unknown whether they are watched: they are neither taken in nor forgotten.
 */
export function planPoll(
  state: { readonly cursors: BranchCursors; readonly seen: boolean },
  heads: Heads,
  buildHeadsOnFirstSight: boolean,
  undecided: ReadonlySet<string> = new Set(),
): PollPlan {
  const { cursors } = state;
  // Heads that are only remembered are stored together, so one cursor shows that all are stored.
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
 * Returns the revisions whose history is not new for a moved branch; null when only its head is taken in. `missing` are cursors that the
 * repository does not have any more, because their branches were rewritten or deleted. A new branch is compared with the current heads of
 * the others.
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
