import { describe, expect, it } from '@jest/globals';
import { attemptEnded, buildsetCreated, requestCancelled } from './announcements.js';
import { type Hint, readHint } from './hints.js';

const topics = (hints: readonly Hint[]): string[] => hints.map(({ topic }) => topic);

describe('announcements', () => {
  it('of a buildset name its requests and those that end with them, and wake the engines that build them', () => {
    const requests = [
      { requestId: 5, builderId: 1 },
      { requestId: 6, builderId: 2 },
    ];
    const collapsed = [
      { requestId: 4, builderId: 1, completedBuildsetId: 2 },
      { requestId: 3, builderId: 2, completedBuildsetId: null },
    ];
    expect(topics(buildsetCreated({ buildsetId: 3, requests, collapsed }))).toEqual([
      'buildrequests.4.complete',
      'buildsets.2.complete',
      'buildrequests.3.complete',
      'buildrequests.5.new',
      'queue.1',
      'buildrequests.6.new',
      'queue.2',
      'buildsets.3.new',
    ]);
  });

  it.each([
    [true, null, ['builds.7.finished', 'buildrequests.5.unclaimed', 'queue.1', 'builders.1.update']],
    [false, null, ['builds.7.finished', 'buildrequests.5.complete', 'builders.1.update']],
    [false, 3, ['builds.7.finished', 'buildrequests.5.complete', 'buildsets.3.complete', 'builders.1.update']],
  ])('of an attempt’s end say what became of its request (requeued: %s, buildset: %s)', (requeued, bsid, expected) => {
    const ended = {
      buildId: 7,
      requestId: 5,
      builderId: 1,
      requeued,
      completedBuildsetId: bsid,
      preparationId: null,
      leftLockIds: [],
      children: [],
    };
    const hints = attemptEnded(ended);
    expect(topics(hints)).toEqual(expected);
    for (const { topic, payload } of hints) expect(readHint(topic, payload)).toEqual({ topic, payload });
  });

  it('of an attempt’s end say that its preparation failed before they say that it has ended', () => {
    const request = { requestId: 5, requeued: true, completedBuildsetId: null };
    const ended = { buildId: 7, builderId: 1, ...request, preparationId: 9, leftLockIds: [], children: [] };
    expect(topics(attemptEnded(ended)).slice(0, 2)).toEqual(['builds.7.steps.9.finished', 'builds.7.finished']);
  });

  it('of an attempt’s end wake those who wait for its locks', () => {
    const request = { requestId: 5, requeued: false, completedBuildsetId: null };
    const ended = { buildId: 7, builderId: 1, ...request, preparationId: null, children: [] };
    const left = attemptEnded({ ...ended, leftLockIds: [4, 9] }).slice(-2);
    expect(left).toEqual([
      { topic: 'locks.4.released', payload: { lockid: 4 } },
      { topic: 'locks.9.released', payload: { lockid: 9 } },
    ]);
    for (const { topic, payload } of left) expect(readHint(topic, payload)).toEqual({ topic, payload });
  });

  it.each([
    [{ outcome: 'already-complete' } as const, []],
    [{ outcome: 'stopping', masterId: 4 } as const, ['commands.4']],
    [
      { outcome: 'cancelled', requestId: 5, builderId: 1, completedBuildsetId: null } as const,
      ['buildrequests.5.complete'],
    ],
    [
      { outcome: 'cancelled', requestId: 5, builderId: 1, completedBuildsetId: 3 } as const,
      ['buildrequests.5.complete', 'buildsets.3.complete'],
    ],
  ])('of a cancellation say what became of the request: %j', (cancelled, expected) => {
    expect(topics(requestCancelled(cancelled))).toEqual(expected);
    const ended = {
      buildId: 7,
      requestId: 8,
      builderId: 2,
      requeued: false,
      completedBuildsetId: null,
      preparationId: null,
      leftLockIds: [],
    };
    expect(topics(attemptEnded({ ...ended, children: [cancelled] }))).toEqual([
      ...['builds.7.finished', 'buildrequests.8.complete', 'builders.2.update'],
      ...expected,
    ]);
  });
});
