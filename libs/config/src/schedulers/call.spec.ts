import { describe, expect, it } from '@jest/globals';
import type { Call } from './kind.js';
import { SCHEDULER_KINDS, schedulerKind } from './registry.js';

describe.each(SCHEDULER_KINDS)('$name, when it is called', (kind) => {
  const scheduler = {
    ...{ kind: kind.name, name: 's', builders: ['b', 'c'], reason: 'its reason', properties: { own: 1, more: 2 } },
    priority: 3,
  };
  const stamps = [{ branch: 'main', revision: null, repository: 'r', project: '', codebase: '' }];
  const call = (rest: Partial<Call> = {}): Call => ({
    ...{ id: 'x', builders: null, reason: null, sourceStamps: stamps, properties: {}, priority: null },
    ...rest,
  });
  const answer = (rest?: Partial<Call>) => kind.on.call!(scheduler, call(rest));

  it('builds its configured source stamps, properties and builders', () => {
    expect(answer()).toEqual({
      cause: 'trigger:x',
      reason: 'its reason',
      sourceStamps: stamps,
      changeIds: [],
      properties: { own: [1, 'Scheduler'], more: [2, 'Scheduler'], scheduler: ['s', 'Scheduler'] },
      builders: ['b', 'c'],
      priority: 3,
    });
  });

  it('lets the call override them', () => {
    const properties = { own: [4, 'Trigger'] } as const;
    expect(answer({ builders: ['c', 'c'], reason: 'mine', priority: -1, properties })).toMatchObject({
      builders: ['c'],
      reason: 'mine',
      priority: -1,
      properties: { own: [4, 'Trigger'], more: [2, 'Scheduler'] },
    });
  });

  it.each([
    [[], /builders is empty/],
    [['b', 'd'], /does not start 'd'; it starts: b, c/],
  ])('refuses the builders %j', (builders, message) => {
    expect(() => answer({ builders })).toThrow(message);
  });
});

it('scheduler kinds are found by name', () => {
  expect(SCHEDULER_KINDS.map(({ name }) => schedulerKind(name))).toEqual(SCHEDULER_KINDS);
  expect(() => schedulerKind('hourly')).toThrow("'hourly'");
});
