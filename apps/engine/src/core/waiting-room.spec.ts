import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { WaitingRoom } from './waiting-room.js';

interface Visitor {
  readonly number: number;
}

describe('WaitingRoom', () => {
  const fill = (room: WaitingRoom<string>, address: string, count: number, most = Infinity): string[] =>
    Array.from({ length: count }, (_, i) => room.add(`${address} ${i}`, address, most)).flat();

  it('ends the oldest of an address that has too many', () => {
    const room = new WaitingRoom<string>(3);
    expect(fill(room, 'a', 5)).toEqual(['a 0', 'a 1']);
    expect([...room]).toEqual(['a 2', 'a 3', 'a 4']);
    expect(fill(room, 'b', 3)).toEqual([]);
  });

  it('ends one of the address with the most when all places are taken', () => {
    const room = new WaitingRoom<string>(100);
    fill(room, 'a', 19);
    expect(room.add('b 0', 'b', 20)).toEqual([]);
    expect(room.add('b 1', 'b', 20)).toEqual(['a 0']);
    expect(fill(room, 'a', 1000, 20)).not.toContainEqual(expect.stringContaining('b'));
    expect([room.count('a'), room.count('b')]).toEqual([18, 2]);
  });

  it('counts a connection through a balancer at its real address', () => {
    const room = new WaitingRoom<string>(2);
    fill(room, 'balancer', 2);
    expect(room.move('balancer 0', 'a')).toEqual([]);
    expect(fill(room, 'balancer', 1)).toEqual([]);
    expect(room.move('nobody', 'a')).toEqual([]);
    expect([room.count('balancer'), room.count('a')]).toEqual([2, 1]);
  });

  it('never holds more than there is room for, never displaces a newcomer or an address that has fewer than another', () => {
    const event = fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), fc.constantFrom('add', 'add', 'add', 'delete', 'move'));
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 8 }),
        fc.array(event),
        (each, all, events) => {
          const room = new WaitingRoom<Visitor>(each);
          const addressOf = new Map<Visitor, string>();
          let number = 0;
          for (const [address, what] of events) {
            const [first] = room;
            const newcomer = what === 'add' ? { number: number++ } : first;
            if (newcomer === undefined) continue;
            if (what === 'delete') room.delete(newcomer);
            const before = new Map(['a', 'b', 'c', 'd'].map((one) => [one, room.count(one)]));
            const displaced =
              what === 'add' ? room.add(newcomer, address, all) : what === 'move' ? room.move(newcomer, address) : [];
            if (what !== 'delete') addressOf.set(newcomer, address);
            expect(room.size).toBeLessThanOrEqual(all);
            expect(room.count(address)).toBeLessThanOrEqual(each);
            for (const one of displaced) {
              expect(room.has(one)).toBe(false);
              if (all > 1 && each > 1) expect(one).not.toBe(newcomer);
              const from = addressOf.get(one)!;
              if (from !== address) expect(before.get(from)).toBe(Math.max(...before.values()));
            }
          }
        },
      ),
    );
  });
});
