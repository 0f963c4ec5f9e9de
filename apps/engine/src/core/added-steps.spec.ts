import { describe, expect, it } from '@jest/globals';
import { ADDED_LIMITS, type AddedSteps, readAdded, StepPlan } from './added-steps.js';

const steps = (...names: string[]) => names.map((name) => ({ name }));
const call = (after: AddedSteps['after'], ...names: string[]) => ({ after, steps: steps(...names) });

/** Runs a plan of which the step `a` adds steps, and returns the names in the order in which they are run. */
function order(factory: readonly string[], calls: Parameters<StepPlan<{ name: string }>['add']>[1]): string[] {
  const plan = new StepPlan(steps(...factory));
  const run: string[] = [];
  for (let next = plan.next(); next; next = plan.next()) {
    run.push(next.name);
    if (next.name === 'a') plan.add(next, calls);
  }
  return run;
}

describe('the steps of a build', () => {
  it.each([
    ['are the factory’s', [], ['a', 'b', 'b_1']],
    ['go on with what a step adds', [call('current', 'x', 'y')], ['a', 'x', 'y', 'b', 'b_1']],
    ['end with what a step adds', [call('last', 'x')], ['a', 'b', 'b_1', 'x']],
    [
      'keep the order of calls',
      [call('current', 'x'), call('last', 'l'), call('current', 'y')],
      ['a', 'x', 'y', 'b', 'b_1', 'l'],
    ],
    ['have names of their own', [call('current', 'b', 'z')], ['a', 'b_2', 'z', 'b', 'b_1']],
    ['are no others when a step adds none', [call('current')], ['a', 'b', 'b_1']],
  ])('%s', (_what, calls, expected) => expect(order(['a', 'b', 'b'], calls)).toEqual(expected));

  it('are not too many in all', () => {
    const plan = new StepPlan(steps('a'));
    const by = plan.next()!;
    plan.admit(by, ADDED_LIMITS.steps - 1);
    plan.admit(by, 1);
    expect(() => plan.admit(by, 1)).toThrow(/at most 1000 added steps: these would be 1001/);
    plan.admit(by, 0);
  });

  it('do not add one another for ever', () => {
    const plan = new StepPlan(steps('a'));
    for (let depth = 0; depth < ADDED_LIMITS.depth; depth++) {
      const by = plan.next()!;
      plan.admit(by, 1);
      plan.add(by, [call('current', 'a')]);
    }
    expect(() => plan.admit(plan.next()!, 1)).toThrow(/added one another 10 times/);
  });
});

describe('recorded added steps', () => {
  it.each([
    [null, []],
    ['[{"after":"last","data":{"a":[1]}}]', [{ after: 'last', data: { a: [1] } }]],
  ])('of %s are %j', (json, expected) => expect(readAdded(json)).toEqual(expected));
});
