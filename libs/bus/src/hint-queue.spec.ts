import { describe, expect, it } from '@jest/globals';
import { HintQueue } from './hint-queue.js';

function fill(queue: HintQueue, ...topics: string[]): string[] {
  return topics.map((topic, n) => queue.push(topic, { n }));
}

describe('HintQueue', () => {
  it('merges hints of one topic into the latest', () => {
    const queue = new HintQueue(10);
    expect(fill(queue, 'a', 'b', 'a')).toEqual(['added', 'added', 'coalesced']);
    expect(queue.take(10)).toEqual([
      { topic: 'b', payload: { n: 1 } },
      { topic: 'a', payload: { n: 2 } },
    ]);
    expect(queue.size).toBe(0);
  });

  it('drops the oldest beyond its limit', () => {
    const queue = new HintQueue(2);
    expect(fill(queue, 'a', 'b', 'c')).toEqual(['added', 'added', 'dropped-oldest']);
    expect(queue.take(10).map(({ topic }) => topic)).toEqual(['b', 'c']);
  });

  it('returns no more than requested, in order', () => {
    const queue = new HintQueue(10);
    fill(queue, 'a', 'b', 'c');
    expect(queue.take(2).map(({ topic }) => topic)).toEqual(['a', 'b']);
    expect(queue.take(2).map(({ topic }) => topic)).toEqual(['c']);
  });

  it('puts unsent hints back in front, but never replaces a later one of the same topic', () => {
    const queue = new HintQueue(3);
    fill(queue, 'a', 'b', 'c');
    const sent = queue.take(3);
    queue.push('b', { later: true });
    queue.push('d', {});
    expect(queue.putBack(sent)).toEqual({ coalesced: 1, dropped: 1 });
    expect(queue.take(10)).toEqual([
      { topic: 'c', payload: { n: 2 } },
      { topic: 'b', payload: { later: true } },
      { topic: 'd', payload: {} },
    ]);
  });
});
