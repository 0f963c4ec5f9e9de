import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { locate, locationOf } from './location.js';

const here = fileURLToPath(import.meta.url);
const helper = (): object => locate(helper, {});
const outer = (): object => helper();
const deep = (depth: number): object => (depth > 0 ? deep(depth - 1) : helper());

describe('the place of what a helper made', () => {
  it.each<[string, () => object]>([
    ['called', () => helper()],
    ['passed to a method of an array', () => ['a'].map(helper)[0]!],
    ['called by a function of the user’s', () => outer()],
    ['called deep in a recursion', () => deep(50)],
  ])('is in the file that uses it: %s', (_how, make) => {
    expect(locationOf(make())?.file).toBe(here);
  });

  it('leaves the traces of errors as long as they were', () => {
    const { stackTraceLimit } = Error;
    helper();
    expect(Error.stackTraceLimit).toBe(stackTraceLimit);
  });
});
