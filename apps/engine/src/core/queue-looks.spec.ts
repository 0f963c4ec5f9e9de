import { describe, expect, it } from '@jest/globals';
import { type LookCircumstances, QueueLooks } from './queue-looks.js';

const configuration = {};
const at = (nowMs: number, rest: Partial<LookCircumstances> = {}): LookCircumstances => ({
  ...{ nowMs, isConnected: true, configuration },
  ...rest,
});
const away = { isConnected: false };

describe('a poll looks', () => {
  it.each<[string, LookCircumstances | null, LookCircumstances, 'all' | 'newer']>([
    ['at all at first', null, at(0), 'all'],
    ['for what is new', at(0), at(2000), 'newer'],
    ['for what is new until ten polls have passed', at(0), at(19_999), 'newer'],
    ['at all after ten polls', at(0), at(20_000), 'all'],
    ['at all while no hints arrive', at(0), at(2000, away), 'all'],
    ['at all once they arrive again', at(0, away), at(2000), 'all'],
    ['at all under another configuration', at(0), at(2000, { configuration: {} }), 'all'],
  ])('%s', (_what, last, now, expected) => {
    const looks = new QueueLooks(2000);
    if (last) looks.lookingAtAll(last);
    expect(looks.next(now).kind).toBe(expected);
  });

  it.each([
    ['at all of a short queue', 1000, 'all'],
    ['for what is new in a long one', 1001, 'newer'],
  ])('%s at every poll', (_what, requests, expected) => {
    const looks = new QueueLooks(2000);
    looks.lookingAtAll(at(0));
    looks.sawAll(requests);
    expect(looks.next(at(2000)).kind).toBe(expected);
  });

  it('at all when hints were lost between two polls', () => {
    const looks = new QueueLooks(2000);
    looks.lookingAtAll(at(0));
    looks.lost();
    expect(looks.next(at(2000)).kind).toBe('all');
  });

  it('for requests newer than all that were seen', () => {
    const looks = new QueueLooks(2000);
    looks.lookingAtAll(at(0));
    for (const requestId of [7, 9, 8]) looks.seen(requestId);
    expect(looks.next(at(1))).toEqual({ kind: 'newer', thanRequestId: 9 });
  });
});
