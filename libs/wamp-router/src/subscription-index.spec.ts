import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type Match, SubscriptionIndex } from './subscription-index.js';

function listeners(index: SubscriptionIndex<string>, topic: string): string[] {
  return [...index.matching(topic)].flatMap(({ match, topic: own, sessions }) =>
    [...sessions].map((session) => `${session} ${match} ${own}`),
  );
}

describe('SubscriptionIndex', () => {
  it('returns the same subscription for the same match and topic, and different ones for exact and prefix', () => {
    const index = new SubscriptionIndex<string>();
    const exact = index.add('a', 'exact', 't')!;
    expect(index.add('b', 'exact', 't')!.id).toBe(exact.id);
    expect(index.add('b', 'prefix', 't')!.id).not.toBe(exact.id);
    expect(listeners(index, 't').sort()).toEqual(['a exact t', 'b exact t', 'b prefix t']);
    expect(listeners(index, 't.1')).toEqual(['b prefix t']);
  });

  it('lets nobody end the subscription of another session', () => {
    const index = new SubscriptionIndex<string>();
    const { id } = index.add('a', 'exact', 't')!;
    expect(index.remove('b', id)).toBe(false);
    expect(index.remove('a', id + 1)).toBe(false);
    expect(index.remove('a', id)).toBe(true);
    expect(index.remove('a', id)).toBe(false);
    expect(index.size).toBe(0);
  });

  it('bounds the subscriptions of one session', () => {
    const index = new SubscriptionIndex<string>();
    for (let n = 0; n < 10_000; n++) expect(index.add('a', 'exact', `t.${n}`)).toBeDefined();
    expect(index.add('a', 'exact', 't')).toBeUndefined();
    expect(index.add('a', 'exact', 't.7')).toBeDefined();
    expect(index.add('b', 'exact', 't')).toBeDefined();
    expect(index.size).toBe(10_001);
  });

  it('finds what a linear search finds, after any additions and removals', () => {
    const topic = fc.string({ unit: fc.constantFrom('a', 'b', '.'), maxLength: 4 });
    const entry = fc.record({
      session: fc.constantFrom('s1', 's2', 's3'),
      match: fc.constantFrom<Match>('exact', 'prefix'),
      topic,
    });
    const step = fc.record({ entry, isRemoval: fc.boolean() });
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 40 }),
        fc.constantFrom('', 's1', 's2'),
        topic,
        (steps, leaver, wanted) => {
          const index = new SubscriptionIndex<string>();
          const model = new Map<string, { session: string; match: Match; topic: string; id: number }>();
          for (const { entry: one, isRemoval } of steps) {
            const key = `${one.session} ${one.match} ${one.topic}`;
            const known = model.get(key);
            if (isRemoval && known) {
              index.remove(known.session, known.id);
              model.delete(key);
            } else if (!isRemoval) {
              model.set(key, { ...one, id: index.add(one.session, one.match, one.topic)!.id });
            }
          }
          index.removeSession(leaver);
          const expected = [...model.entries()]
            .filter(([, { session }]) => session !== leaver)
            .filter(([, { match, topic: own }]) => (match === 'exact' ? own === wanted : wanted.startsWith(own)))
            .map(([key]) => key);
          expect(listeners(index, wanted).sort()).toEqual(expected.sort());
        },
      ),
    );
  });
});
