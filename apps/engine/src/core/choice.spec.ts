import { describe, expect, it } from '@jest/globals';
import type { JsonValue } from '@millrace/domain';
import { type Asked, choose, type ChoiceCallback, MOST_ASKED, orderGiven } from './choice.js';

type Answers = Partial<Record<ChoiceCallback, (first: JsonValue, second?: JsonValue) => JsonValue>>;

const REQUESTS = [1, 2, 3].map((id) => ({ id }));
const WORKERS = ['a', 'b'].map((name) => ({ name }));
const fail = (): never => {
  throw new Error('boom');
};

async function chosenBy(answers: Answers, requests = REQUESTS, workers = WORKERS) {
  const calls: string[] = [];
  const ask = (callback: ChoiceCallback, [, first, second]: readonly JsonValue[]): Promise<Asked> => {
    calls.push(callback);
    try {
      return Promise.resolve({ value: answers[callback]!(first!, second) });
    } catch (error) {
      return Promise.resolve({ failed: (error as Error).message });
    }
  };
  const has = new Set(Object.keys(answers) as ChoiceCallback[]);
  const choice = await choose({ builder: { name: 'x' }, requests, workers, has }, ask);
  return { ...choice, calls };
}

describe('choose', () => {
  it.each<[string, Answers, string, string | null]>([
    ['the best without callbacks', {}, '1 on a', null],
    ['the request that nextBuild returns', { nextBuild: () => ({ id: 2 }) }, '2 on a', null],
    ['the request whose id it returns', { nextBuild: () => 3 }, '3 on a', null],
    ['the worker that nextWorker returns', { nextWorker: () => ({ name: 'b' }) }, '1 on b', null],
    ['the worker whose name it returns', { nextWorker: () => 'b' }, '1 on b', null],
    ['no request', { nextBuild: () => null }, 'none', 'nextBuild chose no request'],
    ['no worker', { nextWorker: () => null }, 'none', 'nextWorker chose no worker'],
    ['the best when nextBuild fails', { nextBuild: fail }, '1 on a', 'nextBuild failed: boom'],
    ['the best when nextWorker fails', { nextWorker: fail }, '1 on a', 'nextWorker failed: boom'],
    [
      'the best when it names a worker that is not free',
      { nextWorker: () => 'c' },
      '1 on a',
      'nextWorker failed: it returned "c", which was not offered',
    ],
    [
      'the best when nextBuild returns something else',
      { nextBuild: () => ({ name: 'x' }) },
      '1 on a',
      'nextBuild failed: it returned {"name":"x"}, which was not offered',
    ],
    ['nothing when canStartBuild fails', { canStartBuild: fail }, 'none', 'canStartBuild failed: boom'],
    [
      'nothing when it refuses',
      { canStartBuild: () => false },
      'none',
      'canStartBuild refused it on every free worker',
    ],
    [
      'the next worker when it refuses one',
      { canStartBuild: (worker) => (worker as { name: string }).name === 'b' },
      '1 on b',
      null,
    ],
    [
      'the next request when it refuses one on all workers',
      { canStartBuild: (_worker, request) => (request as { id: number }).id === 2 },
      '2 on a',
      null,
    ],
    ['nothing when locks fails', { canStartBuild: () => true, locks: fail }, 'none', 'locks failed: boom'],
  ])('takes %s', async (_what, answers, expected, text) => {
    const { chosen, remark } = await chosenBy(answers);
    expect(chosen ? `${chosen.requestId} on ${chosen.worker}` : 'none').toBe(expected);
    expect(remark?.text ?? null).toBe(text);
    expect(remark?.hasFailed ?? false).toBe(text?.includes('failed') ?? false);
  });

  it.each<[string, Answers, unknown, string]>([
    ['none without a callback', { nextBuild: () => 2 }, null, 'nextBuild'],
    [
      'those for the request and the worker that were chosen',
      {
        nextBuild: (all) => (all as { id: number }[])[1] ?? null,
        canStartBuild: (worker) => (worker as { name: string }).name === 'b',
        locks: (worker, request) => [(worker as { name: string }).name, (request as { id: number }).id],
      },
      ['b', 2],
      'nextBuild canStartBuild canStartBuild locks',
    ],
  ])('takes the locks: %s', async (_what, answers, locks, expected) => {
    const { chosen, calls } = await chosenBy(answers);
    expect(chosen?.locks).toEqual(locks);
    expect(calls.join(' ')).toBe(expected);
  });

  it('asks a callback that failed only once', async () => {
    const { calls } = await chosenBy({ nextWorker: fail, canStartBuild: () => false });
    expect(calls.filter((callback) => callback === 'nextWorker')).toEqual(['nextWorker']);
  });

  it('ends after so many refusals', async () => {
    const many = Array.from({ length: 30 }, (_, id) => ({ id }));
    const { calls, remark } = await chosenBy({ canStartBuild: () => false }, many);
    expect(calls).toHaveLength(MOST_ASKED);
    expect(remark?.text).toBe(`canStartBuild refused ${MOST_ASKED} times`);
  });
});

describe('orderGiven', () => {
  it.each<[string, JsonValue, ReturnType<typeof orderGiven>]>([
    ['names', ['c', 'a', 'b'], { order: ['c', 'a', 'b'] }],
    ['the builders themselves', [{ name: 'b' }], { order: ['b', 'a', 'c'] }],
    ['each once', ['b', 'b'], { order: ['b', 'a', 'c'] }],
    ['one that was not offered', ['d'], { failed: 'it returned "d", which was not offered' }],
    ['no list', 7, { failed: 'it returned 7, which was not offered' }],
  ])('takes %s', (_what, value, expected) => expect(orderGiven(value, ['a', 'b', 'c'])).toEqual(expected));
});
