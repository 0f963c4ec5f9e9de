import {
  deadlockOf,
  type DeadlockMember,
  type LockNeed,
  type LockObstacle,
  type Properties,
  requestsWaitingFor,
  victimOf,
  WHOLE_BUILD,
} from '@millrace/domain';
import { resourceProperties } from '../claims/claim-locks.js';
import { assertClaimed, type BuildKey } from '../claims/fence.js';
import type { Database, Queryable, Transaction } from '../sql.js';
import {
  deferLockedTable,
  forgetWaits,
  holdsOf,
  insertHolds,
  lockGraph,
  type LockOwner,
  upsertWaits,
} from './lock-rows.js';
import { lockNames, partyNames, waitingFor } from './lock-texts.js';

/** Time after which the wait of a request that nobody wants to build any more is deleted. */
const DEAD_WAIT_MS = 600_000;

/**
 * The answer to a step that wants locks. `taken`: it has all of them; `properties` name the resources taken. `waiting`: it has a place in
 * the queue, which it keeps by asking again. `deadlock`: it would wait for ever, and does not wait any more.
 */
export type LockAnswer =
  | { readonly kind: 'taken'; readonly properties: Properties }
  | { readonly kind: 'waiting'; readonly text: string }
  | { readonly kind: 'deadlock'; readonly text: string };

/** The locks of steps. Those of builders and workers are taken with the claim. */
export class LockStore {
  constructor(private readonly db: Database) {}

  /**
   * Takes all of a step's locks, or none. A step that has them already keeps them, whichever engine asks. What the build holds as a whole
   * its steps need not take.
   * @throws FencedError when the build is not ours any more
   */
  take(build: BuildKey, step: number, needs: readonly LockNeed[]): Promise<LockAnswer> {
    return this.db.transaction(async (tx) => {
      await assertClaimed(tx, [build]);
      const locked = await deferLockedTable(tx, needs);
      const own = await holdsOf(tx, build.buildId);
      const before = own.filter((hold) => hold.step === step);
      if (before.length > 0) return { kind: 'taken', properties: resourceProperties(needs, before) };
      const ofBuild = new Set(own.filter((hold) => hold.step === WHOLE_BUILD).map(({ lockId }) => lockId));
      const open = needs.filter(({ lockId }) => !ofBuild.has(lockId));
      const owner: LockOwner = { ...build, step };
      const table = locked();
      let obstacle = table.obstacleOf(owner, open);
      // Nobody waits behind those who wait for him.
      if (obstacle?.why === 'behind' && own.length > 0)
        obstacle = table.obstacleOf(owner, open, requestsWaitingFor(await lockGraph(tx), build.requestId));
      if (obstacle) return await this.wait(tx, owner, open, obstacle);
      const holds = table.take(owner, open).map((hold) => ({ ...hold, buildId: build.buildId }));
      await insertHolds(tx, holds);
      await forgetWaits(tx, owner);
      return { kind: 'taken', properties: resourceProperties(needs, holds) };
    });
  }

  private async wait(
    tx: Transaction,
    owner: LockOwner,
    needs: readonly LockNeed[],
    obstacle: LockObstacle,
  ): Promise<LockAnswer> {
    await upsertWaits(
      tx,
      needs.map((need) => ({ owner, need })),
    );
    const deadlock = deadlockOf(await lockGraph(tx), owner.requestId);
    if (deadlock === null || victimOf(deadlock) !== owner.requestId)
      return { kind: 'waiting', text: await waitingFor(tx, obstacle) };
    await forgetWaits(tx, owner);
    return { kind: 'deadlock', text: await cycleText(tx, deadlock) };
  }

  /** Forgets that a step waits, because it was stopped. */
  giveUp(build: BuildKey, step: number): Promise<void> {
    return this.db.transaction((tx) => forgetWaits(tx, { ...build, step }));
  }

  /** Deletes what has been left behind: waits of cancelled requests, and holds without a claim. Neither counts. */
  async sweep(): Promise<void> {
    await this.db.run(
      `DELETE FROM lock_waits WHERE seen_at_ms < ${this.db.dialect.nowMs} - ${DEAD_WAIT_MS}
         AND NOT EXISTS (SELECT 1 FROM queue q WHERE q.request_id = lock_waits.request_id)
         AND NOT EXISTS (SELECT 1 FROM claims c WHERE c.build_id = lock_waits.build_id)`,
    );
    await this.db.run(
      `DELETE FROM lock_holds WHERE NOT EXISTS (SELECT 1 FROM claims c WHERE c.build_id = lock_holds.build_id)`,
    );
  }
}

async function cycleText(db: Queryable, deadlock: readonly DeadlockMember[]): Promise<string> {
  const locks = await lockNames(
    db,
    deadlock.map(({ wait }) => wait.lockId),
  );
  const parties = await partyNames(
    db,
    deadlock.map(({ holderId }) => holderId),
  );
  return `deadlock: ${deadlock
    .map(({ wait, holderId }) => {
      const lock = locks.get(wait.lockId)!;
      return `${parties.get(wait.requestId)!} waits for the lock '${lock}', which ${parties.get(holderId)!} has`;
    })
    .join('; ')}`;
}
