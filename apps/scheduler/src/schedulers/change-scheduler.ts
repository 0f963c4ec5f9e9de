import { hints } from '@millrace/contracts';
import {
  type Change,
  type ChangeDecision,
  type CreatedBuildset,
  IntakeStore,
  type Ownership,
  OwnershipStore,
  type SchedulerBuildset,
  type SchedulerState,
  SchedulerStore,
  WAITING_READ,
} from '@millrace/database';
import { FencedError, mergeProperties, messageOf, printable, propertiesFrom } from '@millrace/domain';
import type { Master } from '@millrace/master';
import { decideStable } from '../core/tree-stable.js';
import { type ChangeScheduler, isCallbackFailure, type Judgement } from './judgement.js';

const BATCH = 100;

/** Turns changes into buildsets; active on one master at a time, from a durable cursor (I2, I4). */
export class ChangeSchedulerRunner {
  private readonly intake: IntakeStore;
  private readonly schedulers: SchedulerStore;
  private readonly ownerships: OwnershipStore;

  constructor(
    private readonly scheduler: ChangeScheduler,
    private readonly builderIds: readonly number[],
    private readonly judgement: Judgement,
    private readonly master: Master,
    private readonly again: (inMs: number) => void,
  ) {
    this.intake = new IntakeStore(master.db);
    this.schedulers = new SchedulerStore(master.db);
    this.ownerships = new OwnershipStore(master.db);
  }

  async round(signal: AbortSignal): Promise<void> {
    const owner = await this.ownerships.acquire(
      `scheduler:${this.scheduler.name}`,
      this.master.me,
      this.master.mayTakeOver(),
    );
    if (!owner) return;
    try {
      await this.takeChanges(owner, signal);
      await this.buildStable(owner);
    } catch (error) {
      // Another master is the owner now: a normal end of ours.
      if (!(error instanceof FencedError)) throw error;
      this.master.log.debug({ scheduler: this.scheduler.name }, 'no longer the owner');
    }
  }

  private async takeChanges(owner: Ownership, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const state = await this.schedulers.scheduler(this.scheduler.name);
      const changes = await this.intake.changesAfter(state.cursorSeq, BATCH);
      if (changes.length === 0) return;
      const decisions: { decision: ChangeDecision; buildset?: SchedulerBuildset }[] = [];
      for (const change of changes) decisions.push(await this.decide(state, change));
      this.announce(await this.schedulers.decide(owner, state, changes.at(-1)!.seq, decisions));
    }
  }

  private async decide(
    state: SchedulerState,
    change: Change,
  ): Promise<{ decision: ChangeDecision; buildset?: SchedulerBuildset }> {
    const { changeId } = change;
    if (!state.enabled) return { decision: { changeId, decision: 'ignored', reason: 'the scheduler was disabled' } };
    try {
      if (!(await this.judgement.passes(change))) return { decision: { changeId, decision: 'ignored', reason: null } };
      const important = await this.judgement.isImportant(change);
      // Without a timer nothing waits that it could ride along with.
      if (!important && (this.scheduler.onlyImportant || this.scheduler.treeStableMs === null)) {
        return { decision: { changeId, decision: 'ignored', reason: 'not important' } };
      }
      if (this.scheduler.treeStableMs !== null) {
        return { decision: { changeId, decision: 'waiting', important } };
      }
      return { decision: { changeId, decision: 'built', important }, buildset: this.buildset([change]) };
    } catch (error) {
      if (!isCallbackFailure(error)) throw error;
      this.master.log.warn(
        { scheduler: this.scheduler.name, changeId, err: error },
        `a callback keeps failing: ${messageOf(error)}`,
      );
      return { decision: { changeId, decision: 'failed', reason: printable(messageOf(error)) } };
    }
  }

  private async buildStable(owner: Ownership): Promise<void> {
    const { schedulerId } = await this.schedulers.scheduler(this.scheduler.name);
    const waiting = await this.schedulers.waiting(schedulerId);
    if (waiting.length === 0) return;
    const changes = new Map(
      (await this.intake.changes(waiting.map((row) => row.changeId))).map((change) => [change.changeId, change]),
    );
    const { batches, againInMs, letGo } = decideStable(
      waiting.map((row) => ({ ...row, group: groupOf(this.scheduler, changes.get(row.changeId)!) })),
      this.scheduler.treeStableMs ?? 0,
      WAITING_READ,
    );
    for (const batch of batches) {
      const created = await this.schedulers.buildWaiting(
        owner,
        schedulerId,
        batch,
        this.buildset(batch.map((changeId) => changes.get(changeId)!)),
      );
      if (created) this.announce([created]);
    }
    if (letGo.length > 0) await this.schedulers.dropWaiting(owner, schedulerId, letGo);
    const nextInMs = letGo.length > 0 ? 0 : againInMs;
    if (nextInMs !== null) this.again(nextInMs);
  }

  private buildset(changes: readonly Change[]): SchedulerBuildset {
    const last = changes.at(-1)!;
    const properties = mergeProperties(
      ...changes.map((change) => change.properties),
      propertiesFrom(this.scheduler.properties, 'Scheduler'),
      propertiesFrom({ scheduler: this.scheduler.name }, 'Scheduler'),
      propertiesFrom({ owners: [...new Set(changes.map((change) => change.author))] }, 'Change'),
    );
    const { branch, revision, repository, project, codebase } = last;
    return {
      schedulerName: this.scheduler.name,
      reason: this.scheduler.reason || reasonFor(this.scheduler, changes),
      sourceStamps: [{ branch, revision, repository, project, codebase }],
      changeIds: changes.map((change) => change.changeId),
      properties,
      builderIds: this.builderIds,
      priority: this.scheduler.priority,
    };
  }

  private announce(created: readonly CreatedBuildset[]): void {
    for (const buildset of created) announceBuildset(this.master, buildset);
  }
}

/** Tells everybody about a buildset that has been committed. */
export function announceBuildset(master: Master, buildset: CreatedBuildset): void {
  for (const request of buildset.requests) {
    master.hints.publish(hints.queued(request.builderId));
    master.hints.publish(hints.request(request.requestId, request.builderId, 'new'));
  }
  master.hints.publish(hints.buildset(buildset.buildsetId, 'new'));
}

function reasonFor(scheduler: ChangeScheduler, changes: readonly Change[]): string {
  const what = changes.length === 1 ? 'a change' : `${changes.length} changes`;
  return `scheduler '${scheduler.name}' saw ${what} on ${changes.at(-1)!.branch ?? 'the default branch'}`;
}

function groupOf(scheduler: ChangeScheduler, change: Change): string {
  return scheduler.kind === 'single-branch'
    ? change.repository
    : JSON.stringify([change.repository, change.project, change.codebase, change.branch]);
}
