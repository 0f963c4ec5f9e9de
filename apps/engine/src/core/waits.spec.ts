import { describe, expect, it } from '@jest/globals';
import { Waits } from './waits.js';

describe('Waits', () => {
  it.each([
    ['goes on', 5_000, 7_000],
    ['is set back by an hour', 5_000, 7_000 - 3_600_000],
    ['is set forward by an hour', 5_000, 7_000 + 3_600_000],
  ])('go on where the clock of the database %s', (_what, first, then) => {
    const waits = new Waits();
    expect(waits.look([{ key: 'a', forMs: first }], 100_000).get('a')).toBe(5_000);
    expect(waits.look([{ key: 'a', forMs: then }], 102_000).get('a')).toBe(7_000);
  });

  it('begin at zero when that clock was set back before', () => {
    expect(new Waits().look([{ key: 'a', forMs: -3_600_000 }], 0).get('a')).toBe(0);
  });

  it('begin again for a key that comes again, and are separate for each key', () => {
    const waits = new Waits();
    waits.look([{ key: 'a', forMs: 10 }], 0);
    expect([...waits.look([{ key: 'b', forMs: 3 }], 5)]).toEqual([['b', 3]]);
    expect([
      ...waits.look(
        [
          { key: 'a', forMs: 1 },
          { key: 'b', forMs: 0 },
        ],
        9,
      ),
    ]).toEqual([
      ['a', 1],
      ['b', 7],
    ]);
  });
});
