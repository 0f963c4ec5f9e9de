import {
  type ClaimLocks,
  type JsonValue,
  type LockHold,
  type LockNeed,
  type LockObstacle,
  type LockTable,
  type Properties,
  propertiesFrom,
  WHOLE_BUILD,
} from '@millrace/domain';
import {
  deferLockedTable,
  forgetOtherWaits,
  forgetWaitsOfBuilders,
  insertHolds,
  type LockOwner,
  upsertWaits,
} from '../locks/lock-rows.js';
import type { Transaction } from '../sql.js';
import type { ClaimCandidate, ClaimedBuild } from './claiming.js';

/** A claim that only a lock keeps from beginning, and that lock. */
export interface WaitingClaim {
  readonly requestId: number;
  readonly builderId: number;
  readonly workerId: number;
  readonly lock: LockObstacle;
}

/** The locks of the builds that are claimed in one transaction. */
export class LocksOfClaims implements ClaimLocks<ClaimCandidate> {
  private readonly taken = new Map<number, readonly LockHold[]>();

  private constructor(
    private readonly tx: Transaction,
    private readonly table: LockTable,
  ) {}

  /** Reads the locks together with the next statement. They are null when no candidate needs one: such claims cost nothing. */
  static async defer(tx: Transaction, candidates: readonly ClaimCandidate[]): Promise<() => LocksOfClaims | null> {
    const needs = candidates.flatMap(({ locks = [] }) => locks);
    if (needs.length === 0) return () => null;
    const asking = new Map(candidates.map(({ builderId, requestId }) => [builderId, requestId]));
    const locked = await deferLockedTable(tx, needs, asking);
    return () => new LocksOfClaims(tx, locked());
  }

  obstacleOf({ requestId, locks = [] }: ClaimCandidate): LockObstacle | null {
    return locks.length === 0 ? null : this.table.obstacleOf({ requestId, step: WHOLE_BUILD }, locks);
  }

  take({ requestId, locks = [] }: ClaimCandidate): void {
    if (locks.length > 0) this.taken.set(requestId, this.table.take({ requestId, step: WHOLE_BUILD }, locks));
  }

  /** Returns the properties that tell a build which resources it has. */
  propertiesOf({ requestId, locks = [] }: ClaimCandidate): Properties {
    return resourceProperties(locks, this.taken.get(requestId) ?? []);
  }

  /** Records who has taken locks, and who waits for them. */
  async record(builds: readonly ClaimedBuild[], waiting: readonly ClaimCandidate[]): Promise<void> {
    const holds = builds.flatMap(({ requestId, buildId }) =>
      (this.taken.get(requestId) ?? []).map((hold) => ({ ...hold, buildId })),
    );
    await insertHolds(this.tx, holds);
    const begun = builds.filter(({ requestId }) => this.taken.has(requestId)).map(({ builderId }) => builderId);
    await forgetWaitsOfBuilders(this.tx, [...new Set(begun)]);
    for (const candidate of waiting)
      if (candidate.locksVary) await forgetOtherWaits(this.tx, ownerOf(candidate), candidate.locks ?? []);
    await upsertWaits(
      this.tx,
      waiting.flatMap((candidate) => (candidate.locks ?? []).map((need) => ({ owner: ownerOf(candidate), need }))),
    );
  }
}

function ownerOf({ requestId, builderId }: Pick<ClaimCandidate, 'requestId' | 'builderId'>): LockOwner {
  return { requestId, builderId, buildId: 0, step: WHOLE_BUILD };
}

/** Returns the properties that name resources taken: the name of a single one, or a list. */
export function resourceProperties(needs: readonly LockNeed[], holds: readonly LockHold[]): Properties {
  const values: Record<string, JsonValue> = {};
  for (const { lockId, workerId, property, count } of needs) {
    if (property === null) continue;
    const hold = holds.find((one) => one.lockId === lockId && one.workerId === workerId);
    if (hold) values[property] = count === 1 ? hold.resources[0]! : [...hold.resources];
  }
  return propertiesFrom(values, 'Lock');
}
