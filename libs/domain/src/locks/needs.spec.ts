import { describe, expect, it } from '@jest/globals';
import { type LockAccess, type LockDefinition, needsOf } from './needs.js';

const definitions: Record<string, [number, Partial<LockDefinition>]> = {
  db: [1, { maxCount: 3 }],
  disk: [2, { kind: 'worker-lock', maxCount: 2, maxCountForWorker: { big: 5 } }],
  boards: [3, { kind: 'resources', maxCount: 2, resources: ['b1', 'b2'] }],
};

const access = (lock: string, count = 1, mode: LockAccess['mode'] = 'counting'): LockAccess => ({
  lock,
  mode,
  count,
  property: lock === 'boards' ? 'board' : null,
});

describe('needsOf', () => {
  it.each<[string, LockAccess[], string, string[]]>([
    ['a lock of the cluster', [access('db', 2)], 'small', ['1/0 counting 2 of 3']],
    ['a lock of the worker', [access('disk')], 'small', ['2/9 counting 1 of 2']],
    ['with its own number', [access('disk')], 'big', ['2/9 counting 1 of 5']],
    ['resources', [access('boards')], 'small', ['3/0 counting 1 of 2 board: b1 b2']],
    ['nothing for a count of 0', [access('db', 0)], 'small', []],
    ['exclusively, whatever the count', [access('db', 0, 'exclusive')], 'small', ['1/0 exclusive 0 of 3']],
    ['the larger count of two', [access('db', 2), access('db', 1)], 'small', ['1/0 counting 2 of 3']],
    [
      'exclusively, if one of two is',
      [access('db', 1, 'exclusive'), access('db', 2)],
      'small',
      ['1/0 exclusive 2 of 3'],
    ],
  ])('%s', (_what, accesses, worker, expected) => {
    const needs = needsOf(
      accesses,
      (name) => ({
        lockId: definitions[name]![0],
        definition: { name, kind: 'lock', maxCount: 1, maxCountForWorker: {}, resources: [], ...definitions[name]![1] },
      }),
      { workerId: 9, name: worker },
    );
    expect(
      needs.map(({ lockId, workerId, mode, count, capacity, property, resources }) => {
        const named = property === null ? '' : ` ${property}: ${resources.join(' ')}`;
        return `${lockId}/${workerId} ${mode} ${count} of ${capacity}${named}`;
      }),
    ).toEqual(expected);
  });
});
