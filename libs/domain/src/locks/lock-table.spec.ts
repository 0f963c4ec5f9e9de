import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { fitsBeside, type LockHold, type LockParty, LockTable, type LockWait, WHOLE_BUILD } from './lock-table.js';
import type { LockNeed } from './needs.js';

const party = (requestId: number): LockParty => ({ requestId, step: WHOLE_BUILD });
/** `2` is counting 2, `x` is exclusive. */
const need = (lockId: number, amount: number | 'x', capacity = 3, resources: string[] = []): LockNeed => ({
  lockId,
  workerId: 0,
  lock: `l${lockId}`,
  mode: amount === 'x' ? 'exclusive' : 'counting',
  count: amount === 'x' ? 1 : amount,
  capacity,
  resources,
  property: null,
});
const hold = (requestId: number, lockId: number, amount: number | 'x'): LockHold => ({
  ...party(requestId),
  ...need(lockId, amount),
});
const wait = (requestId: number, sinceMs: number, of: LockNeed): LockWait => ({ ...party(requestId), ...of, sinceMs });

describe('LockTable.obstacleOf', () => {
  it.each<[string, LockHold[], LockWait[], LockNeed[], string | null]>([
    ['a free lock', [], [], [need(1, 'x')], null],
    ['an exclusive one that is held', [hold(2, 1, 'x')], [], [need(1, 1)], 'l1 held 2'],
    ['an exclusive need of a counted one', [hold(2, 1, 1)], [], [need(1, 'x')], 'l1 held 2'],
    ['room for one more', [hold(2, 1, 2)], [], [need(1, 1)], null],
    ['no room', [hold(2, 1, 2)], [], [need(1, 2)], 'l1 held 2'],
    ['more than there are', [], [], [need(1, 4)], 'l1 never '],
    ['none at all', [], [], [need(1, 'x', 0)], 'l1 never '],
    ['the second of two', [hold(2, 2, 'x')], [], [need(1, 1), need(2, 1)], 'l2 held 2'],
    ['its own hold', [hold(1, 1, 'x')], [], [need(1, 1)], null],
    ['an earlier one that needs it', [hold(2, 2, 'x')], [wait(3, 10, need(1, 'x'))], [need(1, 1)], 'l1 behind 3'],
    ['an earlier one, with room for both', [], [wait(3, 10, need(1, 2))], [need(1, 1)], null],
    ['an earlier one, without room for both', [], [wait(3, 10, need(1, 2))], [need(1, 2)], 'l1 behind 3'],
    ['an earlier one that can never be', [], [wait(3, 10, need(1, 5))], [need(1, 3)], null],
    ['a later one', [], [wait(1, 10, need(1, 'x')), wait(3, 11, need(1, 'x'))], [need(1, 'x')], null],
    ['one of the same time', [], [wait(1, 10, need(1, 'x')), wait(0, 10, need(1, 'x'))], [need(1, 'x')], 'l1 behind 0'],
  ])('%s', (_what, holds, waits, needs, expected) => {
    const obstacle = new LockTable(holds, waits).obstacleOf(party(1), needs);
    expect(obstacle && `${obstacle.need.lock} ${obstacle.why} ${obstacle.requestIds.join(' ')}`).toBe(expected);
  });

  it('lets those pass that an earlier one waits for', () => {
    const table = new LockTable([], [wait(3, 10, need(1, 'x'))]);
    expect(table.obstacleOf(party(1), [need(1, 1)], new Set([3]))).toBeNull();
  });
});

describe('LockTable.take', () => {
  it('chooses resources that nobody has', () => {
    const table = new LockTable([], []);
    const boards = (count: number) => need(1, count, 3, ['a', 'b', 'c']);
    const take = (id: number, count: number) => table.take(party(id), [boards(count)])[0]!.resources;
    expect([take(1, 1), take(2, 2)]).toEqual([['a'], ['b', 'c']]);
    expect(table.obstacleOf(party(3), [boards(1)])).toMatchObject({ why: 'held', requestIds: [1, 2] });
  });
});

describe('whatever happens', () => {
  const CAPACITY = 4;
  const needs = fc.uniqueArray(
    fc.record({ lockId: fc.integer({ min: 1, max: 3 }), amount: fc.constantFrom(1, 2, 3, 4, 'x' as const) }),
    { minLength: 1, maxLength: 3, selector: ({ lockId }) => lockId },
  );

  it('no lock is over-held, whoever has waited for longest gets it at the latest when the others have ended, and nobody passes who could delay an earlier one', () => {
    fc.assert(
      fc.property(
        fc.array(needs, { minLength: 1, maxLength: 12 }),
        fc.infiniteStream(fc.integer({ min: 0, max: 1_000_000 })),
        (wanted, choices) => {
          const pick = (n: number) => (choices.next().value as number) % n;
          const needsOf = wanted.map((some) => some.map(({ lockId, amount }) => need(lockId, amount, CAPACITY)));
          let holds: LockHold[] = [];
          const waits = new Map<number, LockWait[]>();
          const done = new Set<number>();
          let arrived = 0;
          let nowMs = 0;
          const ask = (id: number): void => {
            nowMs += 1;
            const table = new LockTable(holds, [...waits.values()].flat());
            if (table.obstacleOf(party(id), needsOf[id]!)) {
              if (!waits.has(id))
                waits.set(
                  id,
                  needsOf[id]!.map((one) => wait(id, nowMs, one)),
                );
              return;
            }
            const mine = table.take(party(id), needsOf[id]!);
            for (const [other, theirs] of waits) {
              const isEarlier = !waits.has(id) || theirs[0]!.sinceMs < waits.get(id)![0]!.sinceMs;
              if (other === id || !isEarlier) continue;
              for (const one of theirs)
                expect(
                  fitsBeside(
                    one,
                    mine.filter(({ lockId }) => lockId === one.lockId),
                  ),
                ).toBe(true);
            }
            waits.delete(id);
            holds = [...holds, ...mine];
          };
          const check = (): void => {
            for (const lockId of [1, 2, 3]) {
              const now = holds.filter((one) => one.lockId === lockId);
              if (now.some(({ mode }) => mode === 'exclusive')) expect(now).toHaveLength(1);
              expect(now.reduce((sum, { count }) => sum + count, 0)).toBeLessThanOrEqual(CAPACITY);
            }
          };
          const end = (id: number): void => {
            holds = holds.filter(({ requestId }) => requestId !== id);
            done.add(id);
          };
          for (let rounds = 0; rounds < 60; rounds++) {
            const held = [...new Set(holds.map(({ requestId }) => requestId))];
            const waiting = [...waits.keys()];
            const what = pick(3);
            if (what === 0 && arrived < wanted.length) ask(arrived++);
            else if (what === 1 && held.length > 0) end(held[pick(held.length)]!);
            else if (waiting.length > 0) ask(waiting[pick(waiting.length)]!);
            check();
          }
          while (waits.size > 0) {
            for (const { requestId } of holds) end(requestId);
            const [longest] = [...waits].sort(([, a], [, b]) => a[0]!.sinceMs - b[0]!.sinceMs)[0]!;
            ask(longest);
            expect(waits.has(longest)).toBe(false);
          }
        },
      ),
    );
  });
});
