import { expect, it } from '@jest/globals';
import { BATCH_TOPIC, packed, unpacked } from './hint-batch.js';
import type { Hint } from './hint-queue.js';
import type { BusPayload } from './port.js';

const HINTS: readonly Hint[] = [
  { topic: 'builds.1.new', payload: { buildid: 1 } },
  { topic: 'queue.2', payload: {} },
];

it('hints come out of a message as they went in', () => {
  const message = packed(HINTS)!;
  expect(message.topic).toBe(BATCH_TOPIC);
  expect(unpacked(JSON.parse(JSON.stringify(message.payload)))).toEqual(HINTS);
});

const cyclic: Record<string, unknown> = {};
cyclic['self'] = cyclic;

it.each<[string, object]>([
  ['that is large', { text: 'x'.repeat(70_000) }],
  ['that is no JSON', cyclic],
])('a hint %s keeps the others apart', (_what, payload) => {
  expect(packed([...HINTS, { topic: 'c', payload: payload as BusPayload }])).toBeNull();
});

it.each<[string, unknown]>([
  ['a list', []],
  ['no hints', {}],
  ['hints that are no list', { hints: 1 }],
  ['an entry that is no pair', { hints: [1] }],
  ['an entry without a payload', { hints: [['a']] }],
  ['a payload that is a list', { hints: [['a', []]] }],
  ['a bad topic', { hints: [['a..b', {}]] }],
  ['one bad entry among good ones', { hints: [['a', {}], null] }],
])('%s is no message with hints', (_what, payload) => {
  expect(unpacked(payload)).toBeNull();
});
