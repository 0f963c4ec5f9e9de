import type { LockPlace } from '@millrace/domain';
import type { LockLimits } from './distribution.js';

/** The builders of an engine whose next request waits for a lock, until the lock may be free. */
export class LockQueue implements Pick<LockLimits, 'waits'> {
  /** By builder, the lock that is waited for on each worker. Worker 0 stands for all workers. */
  private readonly waiting = new Map<number, Map<number, number>>();
  /** When each lock was released last, as a count of all releases. */
  private readonly releasedAt = new Map<number, number>();
  private releases = 0;

  /** The count of releases, to be read before a claim asks for locks. */
  get now(): number {
    return this.releases;
  }

  waits(builderId: number, workerId: number): boolean {
    const locks = this.waiting.get(builderId);
    return locks !== undefined && (locks.has(0) || locks.has(workerId));
  }

  /**
   * Records that a builder waits for a lock, unless the lock was released after the builder had asked for it. `workerId` is 0 when the lock
   * is one of the whole cluster.
   * @param askedAt `now` of that time
   */
  add(builderId: number, { lockId, workerId }: LockPlace, askedAt: number): void {
    if ((this.releasedAt.get(lockId) ?? 0) > askedAt) return;
    const locks = this.waiting.get(builderId) ?? new Map<number, number>();
    this.waiting.set(builderId, locks.set(workerId, lockId));
  }

  /**
   * Lets those try again that wait for this lock.
   * @returns whether there are any
   */
  released(lockId: number): boolean {
    this.releases += 1;
    this.releasedAt.set(lockId, this.releases);
    let any = false;
    for (const [builderId, locks] of this.waiting) {
      if (![...locks.values()].includes(lockId)) continue;
      this.waiting.delete(builderId);
      any = true;
    }
    return any;
  }

  /** Lets a builder try again: it may have another next request now. */
  forget(builderId: number): void {
    this.waiting.delete(builderId);
  }

  /**
   * Lets all try again.
   * @returns whether there are any
   */
  clear(): boolean {
    const any = this.waiting.size > 0;
    this.waiting.clear();
    return any;
  }
}
