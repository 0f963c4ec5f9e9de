import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type Damage, type Failure, type Measure, measureFor } from './repair.js';

const FAILURES = [
  'git',
  'server',
  'name',
  'lfs',
  'revision',
  'fetch',
  'submodules',
  'open',
  'files',
  'worker',
] as const;

/** Returns the measures for a failure that none of them repairs. */
function measures(failure: Failure, found: Partial<Damage> = {}): Measure[] {
  const taken = new Set<Measure>();
  for (;;) {
    const isSound = taken.has('inspect') ? (found.isSound ?? null) : null;
    const next = measureFor({ failure, existed: true, mayRemake: true, ...found, taken, isSound });
    if (next === null) return [...taken];
    expect(taken).not.toContain(next);
    taken.add(next);
  }
}

describe('a checkout', () => {
  it.each<[Failure, boolean | null, Measure[]]>([
    ['server', null, []],
    ['name', null, []],
    ['git', null, []],
    ['lfs', null, []],
    ['worker', null, []],
    ['revision', true, ['unlock', 'inspect']],
    ['revision', false, ['unlock', 'inspect', 'remake']],
    ['fetch', true, ['unlock', 'inspect']],
    ['fetch', false, ['unlock', 'inspect', 'remake']],
    ['submodules', true, ['unlock', 'inspect']],
    ['submodules', false, ['unlock', 'inspect', 'remake']],
    ['open', null, ['unlock', 'reconfigure', 'remake']],
    ['files', null, ['unlock', 'reconfigure', 'remake']],
  ])('in which %s fails, sound: %s', (failure, isSound, expected) => {
    expect(measures(failure, { isSound })).toEqual(expected);
  });

  const failure = fc.constantFrom(...FAILURES);
  const isSound = fc.constantFrom(true, false, null);

  it('that no earlier build has left is not repaired', () => {
    fc.assert(
      fc.property(failure, isSound, (of, sound) =>
        expect(measures(of, { existed: false, isSound: sound })).toEqual([]),
      ),
    );
  });

  it('is not removed when that is not allowed', () => {
    fc.assert(
      fc.property(failure, isSound, (of, sound) => {
        expect(measures(of, { mayRemake: false, isSound: sound })).not.toContain('remake');
      }),
    );
  });

  it('without a fault is never removed because of another failure', () => {
    fc.assert(
      fc.property(fc.constantFrom('server', 'name', 'lfs', 'revision', 'fetch', 'submodules', 'git'), (of) => {
        expect(measures(of as Failure, { isSound: true })).not.toContain('remake');
      }),
    );
  });
});
