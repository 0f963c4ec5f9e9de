import type { BoundCredentials } from '@millrace/config';
import { hints, type CompiledChangeSource } from '@millrace/contracts';
import type { Incarnation, IntakeStore, NewChange, Ownership, OwnershipStore } from '@millrace/database';
import { FencedError, messageOf, printable } from '@millrace/domain';
import type { Hints, Lease, Logger } from '@millrace/master';
import { type BranchMove, type Heads, knownTo, planPoll } from '../core/git-plan.js';
import type { Limit } from '../core/limit.js';
import { isCallbackFailure } from '../schedulers/judge.js';
import { type Commit, GitRepository } from './repository.js';

const BATCH = 200;
const BRANCH_STATE = 'branch:';
/** Set once every head of the first round is stored. */
const SEEN_STATE = 'seen';
/** What `object_state` has room for. */
const BRANCH_MAX = 190 - BRANCH_STATE.length;
const SAY_AGAIN_MS = 600_000;

/** Asks the `branches` callback of the configuration about one branch, in its own thread. */
export type BranchChooser = (branch: string) => Promise<boolean>;

export interface PollerOptions {
  readonly source: CompiledChangeSource;
  readonly choose: BranchChooser;
  readonly limit: Limit;
  /** The folder of all mirrors. */
  readonly mirrors: string;
  readonly credentials: BoundCredentials | null;
}

export interface PollerPorts {
  readonly me: Incarnation;
  readonly lease: Lease;
  readonly ownerships: OwnershipStore;
  readonly intake: IntakeStore;
  readonly hints: Hints;
  readonly log: Logger;
}

/** One Git repository that is polled; active on one master at a time (I4). */
export class GitPoller {
  private readonly source: CompiledChangeSource;
  private readonly repository: GitRepository;
  private failure: { readonly message: string; readonly saidAt: number } | null = null;
  private readonly tooLong = new Set<string>();
  /** Branches of which the callback fails → when it did last. */
  private readonly undecided = new Map<string, number>();

  constructor(
    private readonly options: PollerOptions,
    private readonly ports: PollerPorts,
  ) {
    const { source, mirrors, credentials } = options;
    this.source = source;
    this.repository = new GitRepository(source.repository, mirrors, credentials);
  }

  async poll(signal: AbortSignal): Promise<void> {
    const { ownerships, me, lease } = this.ports;
    const owner = await ownerships.acquire(`poller:${this.source.name}`, me, lease.mayTakeOver());
    if (!owner) return;
    await this.options.limit(async () => {
      try {
        await this.pollAs(owner, signal);
        if (this.failure) this.ports.log.info({ repository: this.source.name }, 'the repository can be reached again');
        this.failure = null;
      } catch (error) {
        if (!signal.aborted && !(error instanceof FencedError)) this.complain(error);
      }
    });
  }

  /** Now and then, not at every poll; the cursors stay where they are, so nothing is missed when it works again. */
  private complain(error: unknown): void {
    const message = messageOf(error);
    const now = performance.now();
    if (this.failure?.message === message && now - this.failure.saidAt < SAY_AGAIN_MS) return;
    this.failure = { message, saidAt: now };
    this.ports.log.warn({ repository: this.source.name, err: error }, `poll failed: ${message}`);
  }

  private async pollAs(owner: Ownership, signal: AbortSignal): Promise<void> {
    const heads = await this.chosenHeads(signal);
    const state = await this.ports.intake.state<string | true>(owner.name);
    const cursors = new Map<string, string>();
    for (const [name, head] of Object.entries(state)) {
      if (name.startsWith(BRANCH_STATE)) cursors.set(name.slice(BRANCH_STATE.length), String(head));
    }
    const seen = state[SEEN_STATE] === true;
    const plan = planPoll({ cursors, seen }, heads, this.source.buildHeadsOnFirstSight, new Set(this.undecided.keys()));
    const remember = (entries: readonly [string, string | true | null][]): Promise<unknown> =>
      this.ports.intake.addChanges([], { owner, state: Object.fromEntries(entries) });
    const forgotten = plan.gone.map((branch): [string, null] => [BRANCH_STATE + branch, null]);
    const remembered = [...plan.remembered].map(([branch, head]): [string, string] => [BRANCH_STATE + branch, head]);
    if (forgotten.length + remembered.length > 0) await remember([...forgotten, ...remembered]);
    if (plan.moved.length > 0) await this.takeInAll(owner, plan.moved, cursors, heads, signal);
    if (!seen) await remember([[SEEN_STATE, true]]);
  }

  private async chosenHeads(signal: AbortSignal): Promise<Map<string, string>> {
    const heads = await this.repository.heads(signal);
    for (const branch of heads.keys()) {
      if (branch.length <= BRANCH_MAX) continue;
      heads.delete(branch);
      if (this.tooLong.has(branch)) continue;
      this.tooLong.add(branch);
      this.ports.log.warn(
        { repository: this.source.name, branch },
        `a branch is not watched: its name is longer than ${BRANCH_MAX} characters`,
      );
    }
    const { branches } = this.source;
    if (branches === 'all') return heads;
    const named = Array.isArray(branches) ? new Set<string>(branches as string[]) : null;
    for (const branch of this.undecided.keys()) if (!heads.has(branch)) this.undecided.delete(branch);
    for (const branch of [...heads.keys()])
      if (!(named ? named.has(branch) : await this.isChosen(branch))) heads.delete(branch);
    return heads;
  }

  /** A branch of which the callback fails stays where it is, and does not keep the others from being watched. */
  private async isChosen(branch: string): Promise<boolean> {
    const failedAt = this.undecided.get(branch);
    if (failedAt !== undefined && performance.now() - failedAt < SAY_AGAIN_MS) return false;
    try {
      const chosen = await this.options.choose(branch);
      this.undecided.delete(branch);
      return chosen;
    } catch (error) {
      if (!isCallbackFailure(error)) throw error;
      this.undecided.set(branch, performance.now());
      this.ports.log.warn(
        { repository: this.source.name, branch, err: error },
        `a branch is not looked at for now, because 'branches' failed for it: ${printable(messageOf(error))}`,
      );
      return false;
    }
  }

  /** One branch that cannot be taken in does not keep the others from it. @throws the first failure, at the end */
  private async takeInAll(
    owner: Ownership,
    moves: readonly BranchMove[],
    cursors: Map<string, string>,
    heads: Heads,
    signal: AbortSignal,
  ): Promise<void> {
    await this.repository.fetch(
      moves.map((move) => move.branch),
      signal,
    );
    const known = [...cursors.values()];
    let missing = await this.repository.missing(known, signal);
    if (missing.size > 0) {
      // A mirror of ours has only what moved while it was ours.
      await this.repository.fetch([...heads.keys()], signal);
      missing = await this.repository.missing(known, signal);
    }
    const failures: unknown[] = [];
    for (const move of moves) {
      try {
        await this.takeIn(owner, move, knownTo(move, cursors, heads, missing), signal);
        cursors.set(move.branch, move.to);
      } catch (error) {
        if (signal.aborted || error instanceof FencedError) throw error;
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }

  /** The cursor moves in the transaction of the last batch; earlier batches that are seen again are known by their keys. */
  private async takeIn(
    owner: Ownership,
    move: BranchMove,
    known: readonly string[] | null,
    signal: AbortSignal,
  ): Promise<void> {
    const revisions = known === null ? [move.to] : await this.repository.revisionsSince(move.to, known, signal);
    for (let i = 0; i < revisions.length; i += BATCH) {
      const commits = await this.repository.commits(revisions.slice(i, i + BATCH), signal);
      const last = i + BATCH >= revisions.length;
      const ids = await this.ports.intake.addChanges(
        commits.map((commit) => this.change(commit, move.branch)),
        { owner, state: last ? { [BRANCH_STATE + move.branch]: move.to } : {} },
      );
      for (const id of ids) this.ports.hints.publish(hints.change(id));
      if (ids.length > 0) {
        this.ports.log.info(
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
