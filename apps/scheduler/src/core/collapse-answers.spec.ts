import { describe, expect, it } from '@jest/globals';
import { type JsonValue, NO_SOURCE } from '@millrace/domain';
import { type Asked, collapseAnswer, type Request } from './collapse-answers.js';

const builder = { name: 'b', tags: ['t'], properties: { os: 'linux' } };
const request = (requestId: number, mode: string): Request => ({
  ...{ requestId, priority: 1, submittedAtMs: 5999, reason: 'r', sourceStamps: [NO_SOURCE] },
  properties: { mode: [mode, 'Trigger'] },
});
const pairs = {
  newer: request(9, 'fast'),
  older: [
    { ...request(8, 'fast'), isCompatible: true },
    { ...request(7, 'slow'), isCompatible: false },
  ],
} as const;

type Pair = { readonly older: { readonly id: number }; readonly isCompatible: boolean };

describe('what a callback lets collapse', () => {
  it.each<[string, (pair: Pair) => Asked, object, number]>([
    ['all', () => ({ value: true }), { collapsing: [8, 7] }, 2],
    ['nothing', () => ({ value: false }), { collapsing: [] }, 2],
    ['the usual', ({ isCompatible }) => ({ value: isCompatible }), { collapsing: [8] }, 2],
    ['nothing after a failure', () => ({ failed: 'boom' }), { failed: 'collapseRequests failed: boom' }, 1],
    [
      'nothing after a failure, not even what it allowed before',
      ({ older: { id } }) => (id === 8 ? { value: true } : { failed: 'boom' }),
      { failed: 'collapseRequests failed: boom' },
      2,
    ],
    [
      'nothing for another answer',
      () => ({ value: 'yes' }),
      { failed: 'collapseRequests failed: it returned neither true nor false' },
      1,
    ],
  ])('is %s', async (_what, callback, expected, calls) => {
    const asked: JsonValue[] = [];
    const answer = await collapseAnswer(builder, pairs, (value) => {
      asked.push(value);
      return Promise.resolve(callback(value as unknown as Pair));
    });
    expect(answer).toEqual(expected);
    expect(asked).toHaveLength(calls);
    const common = { priority: 1, submittedAt: 5, reason: 'r', sourceStamps: [NO_SOURCE] };
    expect(asked[0]).toEqual({
      builder,
      newer: { id: 9, ...common, properties: { mode: 'fast' } },
      older: { id: 8, ...common, properties: { mode: 'fast' } },
      isCompatible: true,
    });
  });
});
