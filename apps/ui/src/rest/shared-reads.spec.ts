import { describe, expect, it } from '@jest/globals';
import { SharedReads } from './shared-reads.js';

/** Returns reads that end when the test says so. */
function slowReads() {
  const ends: ((value: number) => void)[] = [];
  const begun: string[] = [];
  const work = (key: string) => () => {
    begun.push(key);
    return new Promise<number>((resolve) => ends.push(resolve));
  };
  return { ends, begun, work };
}

const turn = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

describe('SharedReads', () => {
  it('shares a read among the requests that came before it began, and with no later ones', async () => {
    const shared = new SharedReads<number>();
    const { ends, begun, work } = slowReads();
    const early = [shared.read('a', work('a')), shared.read('a', work('a')), shared.read('b', work('b'))];
    await turn();
    expect(begun.sort()).toEqual(['a', 'b']);
    const late = [shared.read('a', work('a')), shared.read('a', work('a'))];
    await turn();
    expect(begun).toHaveLength(2);
    ends.forEach((end, i) => end(i));
    await turn();
    expect(begun).toEqual(['a', 'b', 'a']);
    ends[2]!(2);
    expect(new Set(await Promise.all(early))).toEqual(new Set([0, 1]));
    expect(await Promise.all(late)).toEqual([2, 2]);
  });

  it('fails for the requests that shared it, and is repeated for the next', async () => {
    const shared = new SharedReads<number>();
    const failing = () => Promise.reject(new Error('database away'));
    const [one, two] = [shared.read('a', failing), shared.read('a', failing)];
    await expect(one).rejects.toThrow('database away');
    await expect(two).rejects.toThrow('database away');
    expect(await shared.read('a', async () => 1)).toBe(1);
  });
});
