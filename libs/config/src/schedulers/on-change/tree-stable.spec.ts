import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decideStable, type Waiting } from './tree-stable.js';

const NOW = 100_000;
interface Numbered extends Waiting {
  readonly id: number;
}
const waiting = (id: number, ageMs: number, group = 'main', important = true): Numbered => ({
  ...{ id, sinceMs: NOW - ageMs, group, important },
});
const ids = (changes: readonly Numbered[]): number[] => changes.map(({ id }) => id);
const options = { nowMs: NOW, treeStableMs: 1000, isFull: false };

describe('decideStable', () => {
  it.each<[string, Numbered[], number[][], number | null]>([
    ['nothing waits', [], [], null],
    ['quiet for long enough', [waiting(1, 1000)], [[1]], null],
    ['not yet', [waiting(1, 400)], [], 600],
    ['a later change starts the wait again', [waiting(1, 1500), waiting(2, 300)], [], 700],
    ['several are built together', [waiting(1, 1500), waiting(2, 1200)], [[1, 2]], null],
    ['unimportant alone is not built', [waiting(1, 5000, 'main', false)], [], null],
    ['unimportant rides along', [waiting(1, 5000, 'main', false), waiting(2, 1000)], [[1, 2]], null],
    ['branches wait apart', [waiting(1, 1000, 'a'), waiting(2, 100, 'b'), waiting(3, 200, 'c')], [[1]], 800],
  ])('%s', (_name, changes, batches, inMs) => {
    const decision = decideStable(changes, options);
    expect(decision).toMatchObject({ letGo: [], again: [], wakeAtMs: inMs === null ? null : NOW + inMs });
    expect(decision.batches.map(ids)).toEqual(batches);
  });

  it.each<[string, Numbered[], boolean, number[]]>([
    ['there is room', [waiting(1, 1, 'a', false), waiting(2, 1, 'a', false)], false, []],
    ['no room', [waiting(1, 1, 'a', false), waiting(2, 1, 'b', false), waiting(3, 1, 'a', false)], true, [1, 3, 2]],
    ['no room, one rides along', [waiting(1, 1, 'a', false), waiting(2, 1, 'b', false), waiting(3, 1, 'a')], true, [2]],
  ])('lets unimportant changes go when they fill everything: %s', (_name, changes, isFull, letGo) => {
    expect(ids(decideStable(changes, { ...options, isFull }).letGo)).toEqual(letGo);
  });

  it('starts the wait again for a change that waits since a time in the future', () => {
    const decision = decideStable([waiting(1, -3_600_000), waiting(2, 900)], options);
    expect(ids(decision.again)).toEqual([1]);
    expect(decision).toMatchObject({ batches: [], wakeAtMs: NOW + 1000 });
  });

  it('never waits for longer than the quiet time, and settles or keeps each change exactly once', () => {
    const change = fc.record({
      id: fc.nat(),
      sinceMs: fc.integer({ min: 0, max: 2 * NOW }),
      group: fc.constantFrom('a', 'b', 'c'),
      important: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(change), fc.nat(5_000), fc.boolean(), (changes, treeStableMs, isFull) => {
        const decision = decideStable(changes, { nowMs: NOW, treeStableMs, isFull });
        const touched = [...decision.batches.flat(), ...decision.letGo, ...decision.again];
        expect(new Set(touched).size).toBe(touched.length);
        if (decision.wakeAtMs === null) return;
        expect(decision.wakeAtMs).toBeGreaterThan(NOW);
        expect(decision.wakeAtMs).toBeLessThanOrEqual(NOW + treeStableMs);
      }),
    );
  });
});
