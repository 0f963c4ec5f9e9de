import { hints, type CompiledChangeSource } from '@millrace/contracts';
import { IntakeStore, type NewChange, type Ownership, OwnershipStore } from '@millrace/database';
import { FencedError, messageOf } from '@millrace/domain';
import type { Master } from '@millrace/master';
import { type BranchCursors, type BranchMove, planPoll } from '../core/git-plan.js';
import type { Limit } from '../core/limit.js';
import { type Commit, GitRepository } from './repository.js';

const BATCH = 200;
const BRANCH_STATE = 'branch:';

/** Resolves `branches` callbacks of the configuration, in its own thread. */
export type BranchChooser = (branches: readonly string[]) => Promise<ReadonlySet<string>>;

/** One Git repository that is polled; active on one master at a time (I4). */
export class GitPoller {
  private readonly repository: GitRepository;
  private readonly intake: IntakeStore;
  private readonly ownerships: OwnershipStore;
  private failing = false;

  constructor(
    private readonly source: CompiledChangeSource,
    private readonly master: Master,
    private readonly choose: BranchChooser,
    private readonly limit: Limit,
    mirrors: string,
  ) {
    this.repository = new GitRepository(source.repository, mirrors);
    this.intake = new IntakeStore(master.db);
    this.ownerships = new OwnershipStore(master.db);
  }

  async poll(signal: AbortSignal): Promise<void> {
    const owner = await this.ownerships.acquire(
      `poller:${this.source.name}`,
      this.master.me,
      this.master.mayTakeOver(),
    );
    if (!owner) return;
    await this.limit(async () => {
      try {
        await this.pollAs(owner, signal);
        if (this.failing) this.master.log.info({ repository: this.source.name }, 'the repository can be reached again');
        this.failing = false;
      } catch (error) {
        if (signal.aborted || error instanceof FencedError) return;
        // Said once, not at every poll; the cursors stay where they are, so nothing is missed when it comes back.
        if (!this.failing)
          this.master.log.warn({ repository: this.source.name, err: error }, `poll failed: ${messageOf(error)}`);
        this.failing = true;
      }
    });
  }

  private async pollAs(owner: Ownership, signal: AbortSignal): Promise<void> {
    const heads = await this.chosenHeads(signal);
    const state = await this.intake.state<string>(owner.name);
    const cursors: Record<string, string> = {};
    for (const [name, head] of Object.entries(state)) {
      if (name.startsWith(BRANCH_STATE)) cursors[name.slice(BRANCH_STATE.length)] = head;
    }
    const plan = planPoll(cursors, heads, this.source.buildHeadsOnFirstSight);
    if (plan.gone.length + plan.remembered.length > 0) {
      await this.intake.addChanges([], {
        owner,
        state: Object.fromEntries<string | null>([
          ...plan.gone.map((branch): [string, null] => [BRANCH_STATE + branch, null]),
          ...plan.remembered.map((move): [string, string] => [BRANCH_STATE + move.branch, move.to]),
        ]),
      });
    }
    if (plan.moved.length === 0) return;
    await this.repository.fetch(
      plan.moved.map((move) => move.branch),
      signal,
    );
    const firstSight = Object.keys(cursors).length === 0;
    for (const branch of plan.gone) delete cursors[branch];
    for (const move of plan.moved) {
      await this.takeIn(owner, move, cursors, firstSight, signal);
      cursors[move.branch] = move.to;
    }
  }

  private async chosenHeads(signal: AbortSignal): Promise<Record<string, string>> {
    const heads = await this.repository.heads(signal);
    const { branches } = this.source;
    if (branches === 'all') return heads;
    const chosen = Array.isArray(branches)
      ? new Set<string>(branches as string[])
      : await this.choose(Object.keys(heads));
    return Object.fromEntries(Object.entries(heads).filter(([branch]) => chosen.has(branch)));
  }

  /** The cursor moves in the transaction of the last batch; earlier batches that are seen again are known by their keys. */
  private async takeIn(
    owner: Ownership,
    move: BranchMove,
    cursors: BranchCursors,
    firstSight: boolean,
    signal: AbortSignal,
  ): Promise<void> {
    let revisions: string[];
    if (firstSight) revisions = [move.to];
    else revisions = await this.repository.revisionsSince(move.to, Object.values(cursors), signal);
    // A branch that moved to a commit we know from another one: its head is news for this branch all the same.
    if (revisions.length === 0) revisions = [move.to];
    for (let i = 0; i < revisions.length; i += BATCH) {
      const commits = await this.repository.commits(revisions.slice(i, i + BATCH), signal);
      const last = i + BATCH >= revisions.length;
      const ids = await this.intake.addChanges(
        commits.map((commit) => this.change(commit, move.branch)),
        { owner, state: last ? { [BRANCH_STATE + move.branch]: move.to } : {} },
      );
      for (const id of ids) this.master.hints.publish(hints.change(id));
      if (ids.length > 0) {
        this.master.log.info(
          { repository: this.source.name, branch: move.branch, changes: ids.length },
          'changes found',
        );
      }
    }
  }

  private change(commit: Commit, branch: string): NewChange {
    const { repository, project, codebase, category } = this.source;
    return {
      dedupKey: JSON.stringify(['git', repository, branch, commit.revision]),
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
    };
  }
}
