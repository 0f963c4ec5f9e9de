import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type LiveList, type LiveQuery, merged, withPage } from './lists.js';

interface Row {
  readonly id: number;
  readonly wanted: boolean;
}

const query: LiveQuery<Row> = {
  path: 'rows',
  plural: 'rows',
  id: (row) => row.id,
  topics: [],
  keep: (row) => row.wanted,
  compare: (a, b) => b.id - a.id,
  limit: 3,
};
const rows = (...ids: number[]): Row[] => ids.map((id) => ({ id, wanted: true }));
const list = (ids: number[], next: string | null = null): LiveList<Row> => ({
  items: rows(...ids),
  next,
  loaded: ids.length,
});
const ids = ({ items }: LiveList<Row>): number[] => items.map(({ id }) => id);

describe('merged', () => {
  it('adds new items in their place, and removes those that do not belong to the list', () => {
    const brought = [
      { id: 4, wanted: true },
      { id: 2, wanted: false },
      { id: 9, wanted: false },
    ];
    expect(ids(merged(list([3, 2, 1]), brought, query))).toEqual([4, 3, 1]);
  });

  it('is never longer than its limit or the loaded items, and is the same when merged twice', () => {
    const anyRows = fc.array(fc.record({ id: fc.nat(20), wanted: fc.boolean() }), { maxLength: 30 });
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(20)), anyRows, (loaded, brought) => {
        const before = list(loaded);
        const after = merged(before, brought, query);
        expect(after.items.length).toBeLessThanOrEqual(Math.max(3, loaded.length));
        expect(ids(after)).toEqual([...ids(after)].sort((a, b) => b - a));
        expect(merged(after, brought, query)).toEqual(after);
      }),
    );
  });
});

describe('withPage', () => {
  it('adds the next page once', () => {
    const more = withPage(list([5, 4, 3], 'p2'), 'p2', { items: rows(3, 2), next: 'p3', total: 9 }, query);
    expect([ids(more), more.next, more.loaded]).toEqual([[5, 4, 3, 2], 'p3', 4]);
    expect(withPage(more, 'p2', { items: rows(2, 1), next: 'p3', total: 9 }, query)).toBe(more);
  });

  it('leaves a list unchanged that was fetched again meanwhile', () => {
    const anew = list([9, 8, 7], 'p2 of another list');
    expect(withPage(anew, 'p2', { items: rows(2, 1), next: null, total: 9 }, query)).toBe(anew);
  });
});
