import { describe, expect, it } from '@jest/globals';
import { coalesced } from './coalesced.js';

describe('coalesced', () => {
  it('runs at once, and once more for all callers meanwhile', async () => {
    const ends: (() => void)[] = [];
    const ask = coalesced(() => new Promise((resolve) => ends.push(resolve)));
    const first = ask();
    const [second, third] = [ask(), ask()];
    expect(ends).toHaveLength(1);
    ends[0]!();
    await first;
    expect(second).toBe(third);
    expect(ends).toHaveLength(2);
    const fourth = ask();
    ends[1]!();
    await Promise.all([second, third]);
    ends[2]!();
    await fourth;
    expect(ends).toHaveLength(3);
  });

  it('fails for the callers whose run failed, and works for the next', async () => {
    let runs = 0;
    const ask = coalesced(async () => {
      if (++runs === 1) throw new Error('no');
    });
    const [first, second] = [ask(), ask()];
    await expect(first).rejects.toThrow('no');
    await expect(second).resolves.toBeUndefined();
    expect(runs).toBe(2);
  });
});
