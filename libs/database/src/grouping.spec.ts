import { describe, expect, it } from '@jest/globals';
import { Grouping } from './grouping.js';

describe('Grouping', () => {
  const recorded = (fails: (items: readonly number[]) => boolean = () => false) => {
    const groups: number[][] = [];
    const grouping = new Grouping<number, string>(
      async (items) => {
        groups.push([...items]);
        await Promise.resolve();
        if (fails(items)) throw new Error('no');
        return items.map(String);
      },
      (one, other) => one !== other,
    );
    return { groups, grouping };
  };

  it('writes the first item at once, later ones together, and returns each its own result', async () => {
    const { groups, grouping } = recorded();
    expect(await Promise.all([1, 2, 3, 4].map((item) => grouping.add(item)))).toEqual(['1', '2', '3', '4']);
    expect(groups).toEqual([[1], [2, 3, 4]]);
  });

  it('keeps the order and puts items that do not fit into the next group', async () => {
    const { groups, grouping } = recorded();
    await Promise.all([1, 2, 3, 2, 3, 4].map((item) => grouping.add(item)));
    expect(groups).toEqual([[1], [2, 3], [2, 3, 4]]);
  });

  it('limits the size of a group', async () => {
    const { groups, grouping } = recorded();
    await Promise.all(Array.from({ length: 500 }, (_, i) => grouping.add(i)));
    expect(groups.map((group) => group.length)).toEqual([1, 200, 200, 99]);
  });

  it('lets no item fail because of another', async () => {
    const { groups, grouping } = recorded((items) => items.includes(3));
    const outcomes = await Promise.allSettled([1, 2, 3, 4].map((item) => grouping.add(item)));
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
    expect(groups).toEqual([[1], [2, 3, 4], [2], [3], [4]]);
  });
});
