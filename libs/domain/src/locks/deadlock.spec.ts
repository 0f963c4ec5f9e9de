import { describe, expect, it } from '@jest/globals';
import { deadlockOf, type LockGraph, requestsWaitingFor, stuckRequests, victimOf } from './deadlock.js';
import type { LockHold, LockWait } from './lock-table.js';

/** Holds and waits as texts: `1:a` is request 1 with lock a exclusively, `1:a2` with two of its three units. */
const use = (text: string) => {
  const [, id, lock, count] = /^(\d+):(\w)(\d?)$/.exec(text)!;
  return {
    requestId: Number(id),
    step: 0,
    lockId: lock!.charCodeAt(0),
    workerId: 0,
    mode: count ? ('counting' as const) : ('exclusive' as const),
    count: Number(count || 1),
  };
};
const graph = (held: string, wanted: string): LockGraph => ({
  holds: held.split(' ').map((text): LockHold => ({ ...use(text), resources: [] })),
  waits: wanted.split(' ').map((text, sinceMs): LockWait => ({ ...use(text), capacity: 3, sinceMs })),
});

describe('stuckRequests', () => {
  it.each<[string, string, string, number[]]>([
    ['one waits for one that runs', '1:a', '2:a', []],
    ['two wait for each other', '1:a 2:b', '1:b 2:a', [1, 2]],
    ['and a third waits for them', '1:a 2:b', '1:b 2:a 3:a', [1, 2, 3]],
    ['three in a ring', '1:a 2:b 3:c', '1:b 2:c 3:a', [1, 2, 3]],
    ['a unit comes free', '1:a2 2:b 3:a1', '1:b 2:a1', []],
    ['not enough units come free', '1:a2 2:b 3:a1', '1:b 2:a2', [1, 2]],
    ['one waits for several locks', '1:a 2:b', '1:b 2:c 2:a', [1, 2]],
  ])('%s', (_what, held, wanted, expected) => expect([...stuckRequests(graph(held, wanted))].sort()).toEqual(expected));
});

describe('requestsWaitingFor', () => {
  it.each<[string, string, string, number[]]>([
    ['for what it has', '1:a', '2:a 3:b', [2]],
    ['by way of others', '1:a 2:b', '2:a 3:b 4:c', [2, 3]],
    ['behind others', '1:a', '2:a 2:b 3:b', [2, 3]],
    ['not those before them', '1:a', '3:b 2:a 2:b', [2]],
    ['although it waits itself', '1:a 2:b', '2:a 1:b', [2]],
  ])('%s', (_what, held, wanted, expected) =>
    expect([...requestsWaitingFor(graph(held, wanted), 1)].sort()).toEqual(expected),
  );
});

describe('deadlockOf', () => {
  it.each<[string, string, number, string | null]>([
    ['1:a 2:b', '1:b 2:a', 1, '1>2 2>1'],
    ['1:a 2:b', '1:b 2:a', 2, '2>1 1>2'],
    ['1:a 2:b', '1:b 2:a 3:a', 3, null],
    ['1:a 2:b', '2:a', 2, null],
    ['1:a 2:b 3:c', '1:b 2:c 3:a', 2, '2>3 3>1 1>2'],
    ['1:a 2:b 3:c', '1:b 1:c 2:c 3:a 2:a', 3, '3>1 1>3'],
  ])('of %s, with %s waited for, as %d sees it: %s', (held, wanted, requestId, expected) => {
    const found = deadlockOf(graph(held, wanted), requestId);
    expect(found && found.map(({ wait, holderId }) => `${wait.requestId}>${holderId}`).join(' ')).toBe(expected);
  });

  it.each([1, 2, 3])('has the same victim for each member, the one that came last: seen by %d', (requestId) => {
    expect(victimOf(deadlockOf(graph('1:a 2:b 3:c', '2:c 1:b 3:a'), requestId)!)).toBe(3);
  });
});
