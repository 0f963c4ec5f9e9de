import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { StepsSoFar } from '../claims/ending.js';
import { BuildMemory, StagedMemory } from './memory.js';

describe('StagedMemory', () => {
  it.each([
    ['stdio', 'stdio'],
    ['a log/with ünïcode', 'a_log_with__n_code'],
    ['9lives', '_9lives'],
    ['', '_'],
    ['x'.repeat(190), 'x'.repeat(46)],
  ])('makes %j the identifier %j', (name, slug) => {
    expect(new StagedMemory().addLog(0, name, 's').slug).toBe(slug);
  });

  it('gives every log of a step its own identifier, for any names, whether transactions are kept or fail', () => {
    const name = fc.oneof(
      fc.string({ maxLength: 4 }),
      fc.constantFrom('a', 'a_2', 'a!', 'a?', 'x'.repeat(60), 'x'.repeat(61)),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.uniqueArray(name, { maxLength: 8 }), fc.boolean())), (transactions) => {
        const memory = new BuildMemory();
        for (const [names, isKept] of transactions) {
          const staged = new StagedMemory(memory);
          for (const one of names) if (!staged.log(1, one)) staged.addLog(1, one, 's');
          if (isKept) staged.keep();
        }
        const slugs = [...memory.logs.values()].map(({ slug }) => slug);
        expect(new Set(slugs).size).toBe(slugs.length);
        for (const slug of slugs) expect(slug).toMatch(/^[a-zA-Z_-][a-zA-Z0-9._-]{0,63}$/);
      }),
    );
  });

  it('takes as long for the last of 20,000 logs with the same beginning as for the first', () => {
    const staged = new StagedMemory();
    const names = Array.from({ length: 20_000 }, (_, i) => `${'x'.repeat(50)}${i}`);
    const startedAt = performance.now();
    for (const name of names) staged.addLog(1, name, 's');
    // With quadratic time it would take minutes.
    expect(performance.now() - startedAt).toBeLessThan(5000);
  });

  it('forgets what a failed transaction added and counted', () => {
    const memory = new BuildMemory();
    const before = new StagedMemory(memory);
    before.addStep(1, () => 7);
    before.addLog(1, 'stdio', 's').lines = 3;
    before.keep();
    const failed = new StagedMemory(memory);
    failed.log(1, 'stdio')!.lines += 5;
    failed.step(1)!.isOpen = false;
    failed.addStep(2, () => 8);
    const next = new StagedMemory(memory);
    expect(next.log(1, 'stdio')!.lines).toBe(3);
    expect([next.step(1)?.id(), next.step(1)?.isOpen, next.step(2)]).toEqual([7, true, undefined]);
    next.log(1, 'stdio')!.lines += 2;
    expect(next.keep().logs.get('1/stdio')!.lines).toBe(5);
  });

  it.each<[string, number[], number[], StepsSoFar]>([
    ['there is no step', [], [], 'none'],
    ['a step goes on', [0, 1], [0], 'open'],
    ['the transaction begins the only one', [], [], 'open'],
    ['all have ended', [0, 1], [0, 1], 'ended'],
  ])('tells how the steps stand when %s', (what, begun, ended, steps) => {
    const memory = new BuildMemory();
    const before = new StagedMemory(memory);
    for (const number of begun) before.addStep(number, () => number);
    before.keep();
    const staged = new StagedMemory(memory);
    for (const number of ended) staged.step(number)!.isOpen = false;
    if (what.startsWith('the transaction')) staged.addStep(2, () => 2);
    expect(staged.steps).toBe(steps);
  });
});
