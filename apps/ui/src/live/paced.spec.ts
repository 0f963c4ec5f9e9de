import { describe, expect, it } from '@jest/globals';
import { Paced } from './paced.js';

const numbers = (count: number, from = 0): number[] => Array.from({ length: count }, (_, i) => from + i);

describe('Paced', () => {
  it('serves everybody in order, those of a later call last', async () => {
    const pace = new Paced();
    const served: number[] = [];
    const serve = (receiver: number): void => void served.push(receiver);
    await Promise.all([pace.each(numbers(60), serve), pace.each(numbers(60, 60), serve)]);
    expect(served).toEqual(numbers(120));
  });

  it.each([
    ['one call', [1000]],
    ['many calls', numbers(100).map(() => 10)],
  ])('gives the event loop back between a few receivers, in %s', async (_what, counts) => {
    const pace = new Paced();
    let inTurn = 0;
    let most = 0;
    let isOver = false;
    const turn = (): void => {
      inTurn = 0;
      if (!isOver) setImmediate(turn);
    };
    turn();
    await Promise.all(counts.map((count) => pace.each(numbers(count), () => void (most = Math.max(most, ++inTurn)))));
    isOver = true;
    expect(most).toBeLessThanOrEqual(50);
  });

  it('goes on after an error', async () => {
    const pace = new Paced();
    await expect(pace.each([1], () => Promise.reject(new Error('gone')))).rejects.toThrow('gone');
    const served: number[] = [];
    await pace.each([2], (receiver) => void served.push(receiver));
    expect(served).toEqual([2]);
  });
});
