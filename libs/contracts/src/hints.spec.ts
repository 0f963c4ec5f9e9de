import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type Hint, hints, isForPages, readHint } from './hints.js';

/** One hint of every kind and event. */
const ALL: readonly Hint[] = [
  hints.change(1),
  ...(['new', 'updated'] as const).map((event) => hints.delivery(17, event)),
  ...(['new', 'complete'] as const).map((event) => hints.buildset(2, event)),
  ...(['new', 'claimed', 'unclaimed', 'complete'] as const).map((event) => hints.request(3, 4, event)),
  hints.queued(5),
  ...(['new', 'update', 'finished'] as const).map((event) => hints.build(6, event)),
  hints.buildProperties(7),
  ...(['new', 'started', 'updated', 'finished'] as const).map((event) => hints.step(8, 9, event)),
  ...(['new', 'append', 'finished'] as const).map((event) => hints.log(10, 11, 12, event)),
  ...(['new', 'completed'] as const).map((event) => hints.testResultSet(18, event)),
  ...(['connected', 'disconnected', 'state_updated', 'missing'] as const).map((event) => hints.worker(13, event)),
  ...(['started', 'stopped'] as const).map((event) => hints.master(14, event)),
  hints.builder(15),
  hints.scheduler(16),
  hints.workerTokens(),
  hints.lock(4),
  hints.command(0),
];

it('only what pages show may be sent later', () => {
  expect(ALL.map(({ topic }) => topic).filter(isForPages)).toEqual([
    'buildrequests.3.claimed',
    'builds.6.new',
    'builds.6.update',
    'builds.7.properties.update',
    ...['new', 'started', 'updated', 'finished'].map((event) => `builds.8.steps.9.${event}`),
    ...['new', 'append', 'finished'].map((event) => `logs.12.${event}`),
    ...['new', 'completed'].map((event) => `test_result_sets.18.${event}`),
  ]);
});

describe('readHint', () => {
  it('reads every hint that is sent', () => {
    for (const hint of ALL) expect(readHint(hint.topic, JSON.parse(JSON.stringify(hint.payload)))).toEqual(hint);
    // A new kind of hint has to be added to the list above, too.
    expect(new Set(ALL.map(({ topic }) => topic.split('.')[0])).size).toBe(15);
    expect(Object.keys(hints)).toHaveLength(17);
  });

  it('keeps nothing but the ids, because a newer master may send more', () => {
    expect(readHint('queue.5', { builderid: 5, more: 'x'.repeat(1000), deep: [[[]]] })).toEqual(hints.queued(5));
  });

  it.each<[string, unknown]>([
    ['', {}],
    ['nope', {}],
    ['nope.1', {}],
    ['constructor', {}],
    ['__proto__', {}],
    ['builds', {}],
    ['builds.1', { buildid: 1 }],
    ['builds.x.new', { buildid: 1 }],
    ['builds.1.exploded', { buildid: 1 }],
    ['builds.1.new.more', { buildid: 1 }],
    ['builds..new', { buildid: 1 }],
    ['builds.1e3.new', { buildid: 1 }],
    [`builds.${'1'.repeat(16)}.new`, { buildid: 1 }],
    [`builds.${'1'.repeat(1_000_000)}.new`, { buildid: 1 }],
    ['builds.1.new', {}],
    ['builds.1.new', null],
    ['builds.1.new', 1],
    ['builds.1.new', []],
    ['builds.1.new', { buildid: '1' }],
    ['builds.1.new', { buildid: 1.5 }],
    ['builds.1.new', { buildid: -1 }],
    ['builds.1.new', { buildid: 2 ** 53 }],
    ['builds.1.new', { buildid: [1] }],
    ['builds.1.new', { buildid: { valueOf: 1 } }],
    ['builds.1.steps.2.new', { buildid: 1 }],
    ['logs.1.append', { logid: 1 }],
  ])('refuses %s with %j', (topic, payload) => {
    expect(readHint(topic, payload)).toBeNull();
  });

  it('answers any message with flat numbers or with null', () => {
    const topic = fc.oneof(fc.string(), fc.constantFrom(...ALL.map((hint) => hint.topic)));
    const names = ALL.flatMap((hint) => Object.keys(hint.payload));
    const payload = fc.oneof(
      fc.anything(),
      fc.dictionary(fc.constantFrom(...names), fc.oneof(fc.nat(), fc.jsonValue())),
    );
    fc.assert(
      fc.property(topic, payload, (name, value) => {
        const hint = readHint(name, value);
        if (hint === null) return;
        for (const id of Object.values(hint.payload)) expect(Number.isSafeInteger(id)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });
});
