import { describe, expect, it } from '@jest/globals';
import { compileConfig } from './compile.js';
import { ConfigError } from './problems.js';
import { triggerable } from './schedulers/trigger/index.js';
import { customStep } from './step.js';

/** Returns the problems of builders, each of which has a step that starts these schedulers. A scheduler starts what its name says. */
function problemsOf(builders: Readonly<Record<string, readonly string[]>>): string[] {
  const starts = (triggers: readonly string[]) => ({ ...customStep('t', () => 0), triggers });
  const schedulers = [...new Set(Object.values(builders).flat())].filter((name) => !name.includes('?'));
  try {
    compileConfig({
      workers: [{ name: 'w' }],
      builders: Object.entries(builders).map(([name, names]) => ({ name, workers: ['w'], factory: [starts(names)] })),
      schedulers: schedulers.map((name) => triggerable(name, { builders: name.split('+') })),
    });
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map(({ message }) => message);
    throw error;
  }
}

describe('builders that start one another', () => {
  it.each([
    ['a chain', { a: ['b'], b: ['c'], c: [] }, []],
    ['a diamond', { a: ['b+c'], b: ['d'], c: ['d'], d: [] }, []],
    [
      'themselves',
      { a: ['a'] },
      ["builders[0].factory[0].schedulers makes builders start one another for ever: 'a' → 'a'"],
    ],
    ['a ring, which is told once', { a: ['b'], b: ['c'], c: ['a'] }, [/builders\[0\].*: 'a' → 'b' → 'c' → 'a'$/]],
    ['a ring further down', { a: ['b'], b: ['c'], c: ['b'] }, [/builders\[1\].*: 'b' → 'c' → 'b'$/]],
    ['two rings', { a: ['b+c'], b: ['a'], c: ['a'] }, [/'a' → 'b' → 'a'$/, /'c' → 'a' → 'c'$/]],
    ['what nobody knows', { a: ['b?'], b: [] }, [/factory\[0\].schedulers has 'b\?', but no scheduler has that name/]],
  ])('%s', (_what, builders, expected) => {
    expect(problemsOf(builders)).toEqual(
      expected.map((message) => (typeof message === 'string' ? message : expect.stringMatching(message))),
    );
  });
});
