import { randomUUID } from 'node:crypto';
import { type CompiledGitSource, hints, type RefSelection } from '@millrace/contracts';
import { type NewChange, type Ownership, ownershipName } from '@millrace/database';
import { FencedError, messageOf, MillraceError, printable } from '@millrace/domain';
import { type BranchMove, type Heads, knownTo, planRound, withoutTags } from '../core/git-plan.js';
import { chosenName, isTag } from '../core/git-refs.js';
import type { Limit } from '../core/limit.js';
import { unwatchedText } from '../core/source-text.js';
import { isCallbackFailure } from '../schedulers/judge.js';
import type { Commit, GitRepository } from './repository.js';
import type { PollerPorts } from '../sources/poller-ports.js';
import type { SourceReport } from '../sources/source-reports.js';

const BATCH = 200;
const BRANCH_STATE = 'branch:';
/** Prefix of the states that name a branch's last move while it is only partly taken in. */
const MOVE_STATE = 'move:';
/** Names of the states that are set once every branch, or every tag, of the first round is stored. */
const SEEN_STATE = 'seen';
const SEEN_TAGS_STATE = 'seen-tags';
/** Longest branch name that fits into a column of `object_state`. */
const BRANCH_MAX = 190 - BRANCH_STATE.length;
const ASK_AGAIN_MS = 600_000;

/** Says whether a branch or a tag is watched. It may ask a callback of the configuration, in the configuration's thread. */
export type RefChooser = (name: string) => boolean | Promise<boolean>;

export interface PollerOptions {
  readonly source: CompiledGitSource;
  /** Null where none are watched. */
  readonly chooseBranch: RefChooser | null;
  readonly chooseTag: RefChooser | null;
  readonly limit: Limit;
  readonly repository: GitRepository;
  readonly report: SourceReport;
}

interface Moves {
  readonly owner: Ownership;
  readonly moves: readonly BranchMove[];
  /** Heads by branch. They are updated when a branch is taken in. */
  readonly cursors: Map<string, string>;
  /** Names of moves that were begun earlier, by branch. */
  readonly begun: ReadonlyMap<string, string>;
  readonly heads: Heads;
}

/** The poller of one Git repository. It is active on one master at a time (I4). */
export class GitPoller {
  private readonly source: CompiledGitSource;
  private readonly repository: GitRepository;
  /** Branches for which the callback fails, with the time and the reason of the last failure. */
  private readonly undecided = new Map<string, { readonly failedAt: number; readonly why: string }>();

  constructor(
    private readonly options: PollerOptions,
    private readonly ports: PollerPorts,
  ) {
    this.source = options.source;
    this.repository = options.repository;
  }

  async poll(signal: AbortSignal): Promise<void> {
    const { ownerships, me, lease } = this.ports;
    const owner = await ownerships.acquire(ownershipName.poller(this.source.name), me, lease.mayTakeOver());
    if (!owner) return this.options.report.leave();
    await this.options.limit(async () => {
      try {
        const unwatched = await this.pollAs(owner, signal);
        await this.options.report.polled(owner, unwatchedText(unwatched));
      } catch (error) {
        // The cursors stay unchanged, so nothing is missed when polling works again.
        if (!signal.aborted && !(error instanceof FencedError)) await this.options.report.failed(owner, error);
      }
    });
  }

  /**
   * Polls as the owner.
   * @returns the reasons, by branch, why watched branches are left out
   */
  private async pollAs(owner: Ownership, signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
    const { heads, unwatched } = await this.chosenHeads(signal);
    const state = await this.ports.intake.state<string | true>(owner.name);
    const seen = state.get(SEEN_STATE) === true;
    const seenTags = state.get(SEEN_TAGS_STATE) === true;
    const cursors = namedWith(BRANCH_STATE, state);
    const { buildHeadsOnFirstSight } = this.source;
    const undecided = new Set(this.undecided.keys());
    const plan = planRound({ cursors, seen, seenTags }, heads, { buildHeadsOnFirstSight, undecided });
    const remember = (entries: readonly [string, string | true | null][]): Promise<unknown> =>
      this.ports.intake.addChanges([], { owner, state: new Map(entries) });
    const begun = namedWith(MOVE_STATE, state);
    const forgotten = plan.gone.flatMap((branch): [string, null][] => [
      [BRANCH_STATE + branch, null],
      ...(begun.has(branch) ? [[MOVE_STATE + branch, null] satisfies [string, null]] : []),
    ]);
    const remembered = [...plan.remembered].map(([branch, head]): [string, string] => [BRANCH_STATE + branch, head]);
    if (forgotten.length + remembered.length > 0) await remember([...forgotten, ...remembered]);
    for (const branch of plan.gone) begun.delete(branch);
    if (plan.moved.length > 0) await this.takeInAll({ owner, moves: plan.moved, cursors, begun, heads }, signal);
    const { chooseBranch, chooseTag } = this.options;
    // What is watched again later is seen for the first time again.
    const seenNow = [
      ...(seen === (chooseBranch !== null) ? [] : [SEEN_STATE]),
      ...(seenTags === (chooseTag !== null) ? [] : [SEEN_TAGS_STATE]),
    ].map((name): [string, true | null] => [name, state.has(name) ? null : true]);
    if (seenNow.length > 0) await remember(seenNow);
    return unwatched;
  }

  private async chosenHeads(
    signal: AbortSignal,
  ): Promise<{ heads: Map<string, string>; unwatched: ReadonlyMap<string, string> }> {
    const { chooseBranch, chooseTag } = this.options;
    const { heads, unwatchable } = await this.repository.heads(signal, {
      maxCharacters: BRANCH_MAX,
      branches: chooseBranch !== null,
      tags: chooseTag !== null,
    });
    for (const name of this.undecided.keys()) if (!heads.has(name)) this.undecided.delete(name);
    for (const name of [...heads.keys()]) if (!(await this.isChosen(name))) heads.delete(name);
    const { branches, tags } = this.source;
    const wanted = [...unwatchable].filter(([name]) => isPossible(isTag(name) ? tags : branches, chosenName(name)));
    const undecided = [...this.undecided].map(([name, { why }]): [string, string] => [name, why]);
    return { heads, unwatched: new Map([...wanted, ...undecided]) };
  }

  /**
   * Whether a branch or tag is watched. One for which the callback fails keeps its cursor, and the others are watched all the same.
   */
  private async isChosen(branch: string): Promise<boolean> {
    const choose = isTag(branch) ? this.options.chooseTag : this.options.chooseBranch;
    if (!choose) return false;
    const earlier = this.undecided.get(branch);
    if (earlier && performance.now() - earlier.failedAt < ASK_AGAIN_MS) return false;
    try {
      const chosen = await choose(chosenName(branch));
      this.undecided.delete(branch);
      return chosen;
    } catch (error) {
      if (!isCallbackFailure(error)) throw error;
      const why = `'${isTag(branch) ? 'tags' : 'branches'}' failed for it: ${printable(messageOf(error))}`;
      this.undecided.set(branch, { failedAt: performance.now(), why });
      return false;
    }
  }

  /** Takes in the moved branches, and once more with a repaired mirror when something failed in it. */
  private takeInAll(moves: Moves, signal: AbortSignal): Promise<void> {
    return this.repository.exclusive(async () => {
      try {
        await this.tryAll(moves, signal);
      } catch (error) {
        if (signal.aborted || !(error instanceof MillraceError) || error.code !== 'git') throw error;
        if (!(await this.repository.repair(signal))) throw error;
        this.ports.log.warn({ repository: this.source.name, err: error }, 'the mirror has been repaired');
        await this.tryAll(moves, signal);
      }
    });
  }

  /**
   * Takes in branches. One that fails does not keep the others from it.
   * @throws the first failure, at the end
   */
  private async tryAll({ owner, moves, cursors, begun, heads }: Moves, signal: AbortSignal): Promise<void> {
    const open = moves.filter(({ branch, to }) => cursors.get(branch) !== to);
    const unfetched = new Map(await this.repository.fetch(new Map(open.map(({ branch, to }) => [branch, to])), signal));
    const known = [...withoutTags(cursors).values()];
    let missing = await this.repository.missing(known, signal);
    if (missing.size > 0) {
      // Our mirror may lack branches that another master has taken in.
      for (const [branch, error] of await this.repository.fetch(withoutTags(heads), signal))
        unfetched.set(branch, error);
      missing = await this.repository.missing(known, signal);
    }
    const failures: unknown[] = [];
    for (const move of open) {
      try {
        if (unfetched.has(move.branch)) throw unfetched.get(move.branch);
        const since = knownTo(move, withoutTags(cursors), withoutTags(heads), missing);
        await this.takeIn(owner, { ...move, since, id: begun.get(move.branch) ?? null }, signal);
        cursors.set(move.branch, move.to);
      } catch (error) {
        if (signal.aborted || error instanceof FencedError) throw error;
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }

  /**
   * Takes in the commits of a branch's move. A change is identified by its source, its move and its revision: a branch that goes back to an
   * earlier head has moved. The cursor moves in the transaction of the last batch. When earlier batches are repeated they are recognised by
   * the name of the move, which the first of them stores.
   */
  private async takeIn(
    owner: Ownership,
    move: BranchMove & { readonly since: readonly string[] | null; readonly id: string | null },
    signal: AbortSignal,
  ): Promise<void> {
    const { branch, to, since } = move;
    const id = move.id ?? randomUUID();
    const revisions = since === null ? [to] : await this.repository.revisionsSince(to, since, signal);
    for (let i = 0; i < revisions.length; i += BATCH) {
      const commits = await this.repository.commits(revisions.slice(i, i + BATCH), signal);
      const state = new Map<string, string | null>();
      if (i + BATCH < revisions.length) state.set(MOVE_STATE + branch, id);
      else {
        state.set(BRANCH_STATE + branch, to);
        if (i > 0 || move.id !== null) state.set(MOVE_STATE + branch, null);
      }
      const ids = await this.ports.intake.addChanges(
        commits.map((commit) => this.change(commit, branch, id)),
        { owner, state },
      );
      for (const id of ids) this.ports.hints.publish(hints.change(id));
      if (ids.length > 0)
        this.ports.log.info({ repository: this.source.name, branch, changes: ids.length }, 'changes found');
    }
  }

  private change(commit: Commit, branch: string, moveId: string): NewChange {
    const { name, repository, project, codebase, category, recordsCommits } = this.source;
    return {
      dedupKey: JSON.stringify(['git', name, branch, moveId, commit.revision]),
      author: commit.author,
      committer: commit.committer,
      comments: commit.message,
      branch,
      revision: commit.revision,
      revlink: '',
      category,
      repository,
      project,
      codebase,
      whenMs: commit.committedAtMs,
      files: commit.files,
      properties: {},
      ...(recordsCommits && { parent: commit.parent }),
    };
  }
}

/** Whether a selection may contain that name. */
function isPossible(selection: RefSelection | undefined, name: string): boolean {
  return !Array.isArray(selection) || (selection as readonly string[]).includes(name);
}

/** Returns the states whose names have that prefix, by the rest of the name. */
function namedWith(prefix: string, state: ReadonlyMap<string, string | true>): Map<string, string> {
  return new Map(
    [...state].flatMap(([name, value]) =>
      name.startsWith(prefix) ? [[name.slice(prefix.length), String(value)] satisfies [string, string]] : [],
    ),
  );
}
