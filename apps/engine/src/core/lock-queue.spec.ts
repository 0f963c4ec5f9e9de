import { describe, expect, it } from '@jest/globals';
import { LockQueue } from './lock-queue.js';

describe('LockQueue', () => {
  const queue = (): LockQueue => {
    const made = new LockQueue();
    made.add(1, { lockId: 7, workerId: 0 }, 0);
    made.add(2, { lockId: 8, workerId: 20 }, 0);
    made.add(2, { lockId: 9, workerId: 21 }, 0);
    return made;
  };
  const seen = (made: LockQueue): string =>
    [1, 2, 3]
      .flatMap((builderId) => [20, 21, 22].map((workerId) => [builderId, workerId] as const))
      .filter(([builderId, workerId]) => made.waits(builderId, workerId))
      .map((pair) => pair.join('/'))
      .join(' ');

  it('knows who waits: on all workers for a lock of the cluster, on one for a lock of the worker', () => {
    expect(seen(queue())).toBe('1/20 1/21 1/22 2/20 2/21');
  });

  it.each<[string, (made: LockQueue) => unknown, unknown, string]>([
    ['a lock was released', (made) => made.released(7), true, '2/20 2/21'],
    ['the lock of a worker was', (made) => made.released(9), true, '1/20 1/21 1/22'],
    ['another lock was', (made) => made.released(6), false, '1/20 1/21 1/22 2/20 2/21'],
    ['a builder has another next request', (made) => made.forget(1), undefined, '2/20 2/21'],
    ['everybody may try', (made) => made.clear(), true, ''],
  ])('%s', (_what, act, answer, expected) => {
    const made = queue();
    expect(act(made)).toBe(answer);
    expect(seen(made)).toBe(expected);
  });

  it('does not let those wait that asked before the lock was released', () => {
    const made = new LockQueue();
    const askedAt = made.now;
    made.released(7);
    made.add(1, { lockId: 7, workerId: 0 }, askedAt);
    made.add(2, { lockId: 7, workerId: 0 }, made.now);
    expect(seen(made)).toBe('2/20 2/21 2/22');
  });
});
